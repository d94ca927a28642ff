package policy

import (
	"errors"
	"fmt"
	"strings"
)

// actionSet is a prepared list of actions. It matches lower-case letters.
type actionSet struct {
	everything bool
	exact      map[string]struct{}
	patterns   []string // with the codes of pattern.go
	except     bool     // NotAction: what is in the list does not match
}

func compileActions(actions, notActions []string, k kind) (actionSet, error) {
	set := actionSet{exact: make(map[string]struct{})}
	element, list := "Action", actions
	if list == nil {
		element, list, set.except = "NotAction", notActions, true
	}
	for _, text := range list {
		if err := checkAction(text, k); err != nil {
			return set, fmt.Errorf("the %s %q %w", element, text, err)
		}
		set.add(strings.ToLower(text))
	}
	set.addAliases()
	return set, nil
}

// checkAction wants a service and a name: "chime:Send*". In trust policies the service is sts.
func checkAction(text string, k kind) error {
	service, name, found := strings.Cut(text, ":")
	switch {
	case k == trustPolicy && !strings.EqualFold(service, "sts"):
		return errors.New("is no action of sts, and a trust policy is about no others")
	case strings.Trim(text, "*") == "" && text != "":
		return nil
	case !found || service == "" || name == "":
		return errors.New("is no service and name, like chime:Connect")
	}
	for _, c := range []byte(service + name) {
		if !isAlphanumeric(c) && !strings.ContainsRune("-_*?", rune(c)) {
			return fmt.Errorf("has a character that no action has: %q", c)
		}
	}
	return nil
}

func (s *actionSet) add(lower string) {
	switch {
	case strings.Trim(lower, "*") == "":
		s.everything = true
	case strings.ContainsAny(lower, "*?"):
		s.patterns = append(s.patterns, encodeWildcards(lower))
	default:
		s.exact[lower] = struct{}{}
	}
}

// aliases are the present names of actions and those that older policies use (spec 2.5). Whatever
// names one of them names both.
var aliases = [][2]string{
	{"chime:deletemessagingstreamingconfigurations", "chime:deleteappinstancestreamingconfigurations"},
	{"chime:getmessagingstreamingconfigurations", "chime:getappinstancestreamingconfigurations"},
	{"chime:putmessagingstreamingconfigurations", "chime:putappinstancestreamingconfigurations"},
}

func (s *actionSet) addAliases() {
	for _, names := range aliases {
		for i, name := range names {
			if other := names[1-i]; s.holds([]byte(name)) && !s.holds([]byte(other)) {
				s.exact[other] = struct{}{}
			}
		}
	}
}

// matches reports whether the element lets the action through.
func (s *actionSet) matches(lower []byte) bool { return s.holds(lower) != s.except }

func (s *actionSet) holds(lower []byte) bool {
	if s.everything {
		return true
	}
	if _, found := s.exact[string(lower)]; found {
		return true
	}
	for _, p := range s.patterns {
		if match(p, lower) {
			return true
		}
	}
	return false
}

// appendLower appends the text with the letters of ASCII in lower case.
func appendLower(to []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}
