package config

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
)

// WriteDocs writes a reference of all settings in Markdown.
func WriteDocs(w io.Writer) error {
	_, err := fmt.Fprintf(w, `# Settings

Each setting has one name. It can be set in a YAML file (`+"`--config`, or `%s`"+`), by an
environment variable, or by a flag; a flag overrules the environment and the environment
overrules the file. A name that is no setting is an error.
`, fileEnv)
	for _, s := range settings {
		if err == nil {
			_, err = io.WriteString(w, s.markdown())
		}
	}
	return err
}

func (s Setting) markdown() string {
	text := fmt.Sprintf("\n## %s\n\n%s\n\n- type: %s\n", s.Key, s.Doc, s.Type)
	if s.Default != "" {
		text += fmt.Sprintf("- default: `%s`\n", s.Default)
	}
	if s.dev != "" {
		text += fmt.Sprintf("- default of `carillon dev`: `%s`\n", s.dev)
	}
	if s.AWS != "" {
		text += fmt.Sprintf("- default with `limits: %s`: `%s`\n", LimitsAWS, s.AWS)
	}
	text += fmt.Sprintf("- environment: `%s`\n", EnvName(s.Key))
	if !s.NoFlag {
		text += fmt.Sprintf("- flag: `--%s`\n", s.Key)
	}
	if s.DevOnly {
		text += "- only for `carillon dev`\n"
	}
	return text
}

// WriteYAML writes the settings in force in the form of a settings file. Secrets are left out.
func (c *Config) WriteYAML(w io.Writer) error {
	for _, s := range Settings(c.Mode) {
		line := fmt.Sprintf("%s: %s\n", s.Key, strconv.Quote(s.Value(c)))
		if s.Type == "secret" {
			line = fmt.Sprintf("# %s: %s\n", s.Key, cmp.Or(s.Value(c), "(not set)"))
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}
