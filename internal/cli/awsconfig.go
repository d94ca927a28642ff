package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillon-chat/carillon/client"
)

// lookup is the value of a variable of the environment, empty when it has none.
func (p Program) lookup(name string) (value string) {
	for _, variable := range p.Environ {
		if n, v, _ := strings.Cut(variable, "="); n == name {
			value = v // the last one counts
		}
	}
	return value
}

// overAWS completes a layer with what AWS's own tools would take from the environment. Its profile
// is read only for keys that no layer above it has.
func (p Program) overAWS(l layer) (layer, error) {
	variables := layer{
		endpoint: firstOf(p.lookup, "AWS_ENDPOINT_URL_CHIME_SDK_MESSAGING", "AWS_ENDPOINT_URL"),
		region:   firstOf(p.lookup, "AWS_REGION", "AWS_DEFAULT_REGION"),
		caCert:   p.lookup("AWS_CA_BUNDLE"),
	}

	if id := p.lookup("AWS_ACCESS_KEY_ID"); id != "" {
		variables.source = "the key of AWS_ACCESS_KEY_ID"
		variables.keys = client.Credentials{
			AccessKeyID: id, SecretAccessKey: p.lookup("AWS_SECRET_ACCESS_KEY"), SessionToken: p.lookup("AWS_SESSION_TOKEN"),
		}
		if variables.keys.SecretAccessKey == "" && l.keys.AccessKeyID == "" {
			return l, errors.New("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; --dev takes the keys of carillon dev")
		}
	}

	if l = l.over(variables); l.keys.AccessKeyID != "" || p.lookup("AWS_PROFILE") == "" {
		return l, nil
	}
	named, err := p.awsProfile(p.lookup("AWS_PROFILE"))
	return l.over(named), err
}

// awsProfile reads a profile of the AWS CLI. It has to hold keys: there is no sign-in here.
func (p Program) awsProfile(name string) (layer, error) {
	home := firstOf(p.lookup, "HOME", "USERPROFILE")
	values := map[string]string{}
	for _, file := range []struct{ variable, usual, section string }{
		{"AWS_CONFIG_FILE", "config", "profile " + name}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials", name},
	} {
		path := p.lookup(file.variable)
		if path == "" {
			path = filepath.Join(home, ".aws", file.usual)
		}

		sections := []string{file.section}
		if name == "default" {
			sections = append(sections, name)
		}
		if err := readSection(path, sections, values); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return layer{}, fmt.Errorf("profile %q: %w", name, err)
		}
	}

	if values["aws_access_key_id"] == "" || values["aws_secret_access_key"] == "" {
		return layer{}, fmt.Errorf("profile %q has no aws_access_key_id and aws_secret_access_key; "+
			"`aws configure export-credentials --format env` makes keys of other profiles, --dev takes those of carillon dev", name)
	}

	return layer{
		endpoint: values["endpoint_url"], region: values["region"], caCert: values["ca_bundle"], source: fmt.Sprintf("the profile %q", name),
		keys: client.Credentials{
			AccessKeyID: values["aws_access_key_id"], SecretAccessKey: values["aws_secret_access_key"], SessionToken: values["aws_session_token"],
		},
	}, nil
}

// readSection reads the values of the sections of an INI file. Indented lines belong to a nested
// section and are skipped.
func readSection(path string, sections []string, values map[string]string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()

	in := false
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if header, found := strings.CutPrefix(line, "["); found {
			header, _, _ = strings.Cut(header, "]")
			in = false
			for _, s := range sections {
				in = in || strings.Join(strings.Fields(header), " ") == s
			}
			continue
		}

		key, value, found := strings.Cut(line, "=")
		if !in || !found || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") || strings.HasPrefix(lines.Text(), " ") {
			continue
		}
		values[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return lines.Err()
}

// firstOf is the first value that is not empty.
func firstOf(lookup func(string) string, names ...string) string {
	for _, name := range names {
		if value := lookup(name); value != "" {
			return value
		}
	}
	return ""
}
