package cli

import (
	"fmt"
	"slices"
	"strings"
)

// variable is one of the environment.
type variable struct{ name, value string }

// shells write variables so that a shell reads them.
var shells = map[string]struct{ set, unset func(variable) string }{
	"posix": {
		func(v variable) string { return "export " + v.name + "=" + quote(v.value) },
		func(v variable) string { return "unset " + v.name },
	},
	"fish": {
		func(v variable) string {
			return "set -gx " + v.name + " '" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(v.value) + "'"
		},
		func(v variable) string { return "set -e " + v.name },
	},
	"powershell": {
		func(v variable) string {
			return "$env:" + v.name + " = '" + strings.ReplaceAll(v.value, "'", "''") + "'"
		},
		func(v variable) string { return "Remove-Item -ErrorAction SilentlyContinue env:" + v.name },
	},
}

// quote writes a text as one word of a POSIX shell.
func quote(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"\\$`&;()<>|*?[]#~!{}") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// awsVariables point the AWS CLI and SDKs at the server. Some read the one name of the region, some
// the other.
func awsVariables(s layer) (list []variable) {
	for _, service := range awsServices {
		list = append(list, variable{"AWS_ENDPOINT_URL_" + service, s.endpoint})
	}
	return append(list, variable{"AWS_REGION", s.region}, variable{"AWS_DEFAULT_REGION", s.region},
		variable{"AWS_ACCESS_KEY_ID", s.keys.AccessKeyID}, variable{"AWS_SECRET_ACCESS_KEY", s.keys.SecretAccessKey})
}

// awsServices are the services of AWS that the server speaks for, as AWS_ENDPOINT_URL_ names them.
var awsServices = []string{"CHIME_SDK_MESSAGING", "CHIME_SDK_IDENTITY", "STS", "IAM", "COGNITO_IDENTITY"}

// names are the variables of the app instance, its users and its channel that are known.
func names(app string, users []string, channel string) (list []variable) {
	list = append(list, variable{"APP", app})
	for _, user := range users {
		list = append(list, variable{strings.ToUpper(last(user)), user})
	}
	list = append(list, variable{"CHANNEL", channel})
	return slices.DeleteFunc(list, func(v variable) bool { return v.value == "" })
}

// profileOf writes the server and its keys as a profile of the AWS CLI.
func profileOf(name string, s layer) string {
	var b strings.Builder
	section := "profile " + name
	if name == "default" {
		section = name
	}
	fmt.Fprintf(&b, "[%s]\n", section)
	for _, line := range [][2]string{
		{"region", s.region}, {"endpoint_url", s.endpoint}, {"ca_bundle", s.caCert},
		{"aws_access_key_id", s.keys.AccessKeyID}, {"aws_secret_access_key", s.keys.SecretAccessKey},
	} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%s = %s\n", line[0], line[1])
		}
	}
	return b.String()
}
