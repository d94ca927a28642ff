package kinesis

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// ReadCredentials reads an access key from a file of AWS's form: lines such as aws_access_key_id = AKIA...
// of the first section. Errors name the file and nothing in it.
func ReadCredentials(name string) (c sigv4.Credentials, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return c, err
	}
	sections := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "[") {
			sections++
		}
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "aws_access_key_id":
			set(&c.AccessKeyID, value, sections)
		case "aws_secret_access_key":
			set(&c.SecretAccessKey, value, sections)
		case "aws_session_token":
			set(&c.SessionToken, value, sections)
		}
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, fmt.Errorf("%s: %w", name, errors.New("aws_access_key_id or aws_secret_access_key is missing"))
	}
	return c, nil
}

// set takes a value of the first section.
func set(field *string, value string, sections int) {
	if sections <= 1 {
		*field = value
	}
}
