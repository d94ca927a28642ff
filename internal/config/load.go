package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Sources is where settings come from, the weakest first.
type Sources struct {
	// File is the path of the YAML file. Without it CARILLON_CONFIG names one; without that
	// none is read.
	File string
	// Environ is the environment as "NAME=value". A variable that begins with CARILLON_ and is
	// no setting is an error.
	Environ []string
	// Flags are the settings given on the command line, by name.
	Flags map[string]string
}

const (
	envPrefix = "CARILLON_"
	fileEnv   = envPrefix + "CONFIG"
)

// EnvName is the environment variable of a setting.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// Load reads, merges and checks the settings for the mode. All faults are reported together.
func Load(mode Mode, sources Sources) (Config, error) {
	l := loader{mode: mode, set: map[string]entry{}, faulty: map[string]bool{}}

	// Weakest source first: the file, the environment, the flags.
	env, path := environment(sources)
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("settings file: %w", err)
		}
		entries, faults, err := parseFile(path, text)
		if err != nil {
			return Config{}, err
		}
		l.faults = append(l.faults, faults...)
		l.layer(entries)
	}
	l.layer(env)
	l.layer(flags(sources))

	// Defaults fill in the rest.
	cfg := Config{Mode: mode}
	for _, s := range Settings(mode) {
		e, ok := l.set[s.Key]
		if !ok {
			e.value = s.Default
			if s.AWS != "" && l.set["limits"].value == LimitsAWS {
				e.value = s.AWS
			}
		}
		l.fault(s.Key, s.assign(&cfg, e.value))
	}

	cfg.check(l.fault)
	return cfg, errors.Join(l.faults...)
}

// entry is one setting as a source gives it. All sources give texts; a list is a text with
// commas.
type entry struct {
	key    string
	origin string // for error messages: "--listen", "carillon.yaml:3"
	value  string
}

type loader struct {
	mode   Mode
	set    map[string]entry
	faults []error
	faulty map[string]bool // settings whose fault is reported already
}

// layer puts the entries over those read so far.
func (l *loader) layer(entries []entry) {
	for _, e := range entries {
		i := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == e.key })
		switch {
		case i < 0:
			l.faults = append(l.faults, fmt.Errorf("%s: unknown setting%s", e.origin, l.help(e.key)))
		case settings[i].DevOnly && l.mode != Dev:
			l.faults = append(l.faults, fmt.Errorf("%s: only `carillon dev` has this setting", e.origin))
		default:
			l.set[e.key] = e
		}
	}
}

// help leads from a name that is no setting to one that may be meant.
func (l *loader) help(key string) string {
	var keys []string
	for _, s := range Settings(l.mode) {
		keys = append(keys, s.Key)
	}
	if found := Suggestion(key, keys); found != "" {
		return found
	}
	return "; `carillon config docs` lists them"
}

// fault notes what is wrong with a setting, and where it was set: the first fault of each, since the
// others may follow from it.
func (l *loader) fault(key string, err error) {
	if err == nil || l.faulty[key] {
		return
	}
	l.faulty[key] = true
	if e := l.set[key]; e.origin != "" && e.origin != "--"+key {
		key = fmt.Sprintf("%s (from %s)", key, e.origin)
	}
	l.faults = append(l.faults, fmt.Errorf("%s: %w", key, err))
}

// environment gives the settings of the environment, and the path of the settings file.
func environment(sources Sources) (entries []entry, path string) {
	for _, variable := range sources.Environ {
		name, value, _ := strings.Cut(variable, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		switch {
		case name == fileEnv:
			path = value
		case ours:
			key = strings.ToLower(strings.ReplaceAll(key, "_", "-"))
			entries = append(entries, entry{key: key, origin: name, value: value})
		}
	}
	if sources.File != "" {
		path = sources.File
	}
	return entries, path
}

func flags(sources Sources) []entry {
	entries := make([]entry, 0, len(sources.Flags))
	for key, value := range sources.Flags {
		entries = append(entries, entry{key: key, origin: "--" + key, value: value})
	}
	return entries
}
