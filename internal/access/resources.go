package access

import "github.com/carillon-chat/carillon/internal/api"

// choice is one thing that a call needs permission for. A policy may allow it under any of
// the ARNs; denying it under one of them refuses it.
type choice []string

// resources lists what a call needs permission for: every ARN of spec 2.5 that is present in
// the request.
func (s *Service) resources(operation string, req api.Request) []choice {
	app := req.Member("AppInstanceArn")
	switch operation {
	case "GetMessagingSessionEndpoint":
		return []choice{{"*"}}
	case "CreateAppInstance", "ListAppInstances":
		return []choice{{s.site.AppInstanceARN("*")}}
	case "CreateAppInstanceUser":
		return []choice{{app + "/user/" + req.Member("AppInstanceUserId"), app}}
	case "ListAppInstanceUsers":
		return []choice{{app + "/user/*", app}}
	case "CreateAppInstanceBot", "ListAppInstanceBots":
		return []choice{{app + "/bot/*", app}}
	case "ListChannelFlows":
		return []choice{{app + "/channel-flow/*", app}}
	}
	var needed []choice
	if bearer := req.Member("ChimeBearer"); bearer != "" {
		// The app instance and the users that such a call names are not resources of it.
		return append(needed, present(bearer, req.Member("ChannelArn"), req.Member("ChannelFlowArn"))...)
	}
	return append(needed, present(req.Member("ChannelArn"), req.Member("ChannelFlowArn"), app,
		req.Member("AppInstanceAdminArn"), req.Member("AppInstanceUserArn"), req.Member("AppInstanceBotArn"),
		req.Member("ResourceARN"))...)
}

func present(arns ...string) []choice {
	var needed []choice
	for _, arn := range arns {
		if arn != "" {
			needed = append(needed, choice{arn})
		}
	}
	return needed
}
