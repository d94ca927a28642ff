package awshttp_test

import (
	"context"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// The old chime client has other names for the members of one body, and reads them in the answer.
func TestTheOldClientPutsStreamingConfigurations(t *testing.T) {
	var got []messaging.StreamingConfiguration
	f := newFixture(t, func(_ context.Context, _ *api.Operation, req api.Request) (api.Response, error) {
		got = req.(*messaging.PutMessagingStreamingConfigurationsRequest).StreamingConfigurations
		return &messaging.PutMessagingStreamingConfigurationsResponse{StreamingConfigurations: got}, nil
	})
	const path, arn = "/app-instances/arn%3Aaws%3Achime%3Aus-east-1%3A000000000000%3Aapp-instance%2Fa/streaming-configurations", "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-s"
	old := `{"AppInstanceStreamingConfigurations":[{"AppInstanceDataType":"Channel","ResourceArn":"` + arn + `"}]}`
	present := `{"StreamingConfigurations":[{"DataType":"Channel","ResourceArn":"` + arn + `"}]}`
	for _, body := range []string{old, present} {
		got = nil
		a := f.do(request("PUT", path, body))
		if a.status != 200 || a.body != body || len(got) != 1 || got[0].DataType != "Channel" || got[0].ResourceARN != arn {
			t.Errorf("%s: %d %s, the service got %+v", body, a.status, a.body, got)
		}
	}
	both := old[:len(old)-1] + "," + present[1:]
	f.do(request("PUT", path, both)).expect(t, 400, "BadRequestException", "given twice")
}
