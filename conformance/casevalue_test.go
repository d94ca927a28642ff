package conformance

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeForm is how case files and all clients write times.
const timeForm = "2006-01-02T15:04:05.000Z"

var (
	variable = regexp.MustCompile(`\$(\$|[A-Za-z0-9_]+)`)
	repeated = regexp.MustCompile(`^<(\d+) (.+)>$`)
)

// fill puts variables into a value; names of variables that are unknown are an error.
func fill(v any, variables map[string]any) (any, error) {
	switch v := v.(type) {
	case string:
		return fillText(v, variables)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = fill(v[i], variables); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		members := make(map[string]any, len(v))
		for name := range v {
			var err error
			if members[name], err = fill(v[name], variables); err != nil {
				return nil, err
			}
		}
		return members, nil
	}
	return v, nil
}

func fillText(text string, variables map[string]any) (any, error) {
	if m := repeated.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		return strings.Repeat(m[2], n), err
	}
	if m := variable.FindString(text); m == text && m != "" && m != "$$" {
		if v, ok := variables[m[1:]]; ok { // whole, so that it may be something else than text
			return v, nil
		}
	}
	var err error
	filled := variable.ReplaceAllStringFunc(text, func(name string) string {
		if name == "$$" {
			return "$"
		}
		v, ok := variables[name[1:]]
		if !ok {
			err = fmt.Errorf("there is no variable %s", name)
		}
		return fmt.Sprint(v)
	})
	return filled, err
}

// compare tells in words where an answer is not as expected; nothing when it is.
func compare(path string, want, got any, variables map[string]any) (differences []string) {
	differ := func(format string, args ...any) []string {
		return []string{path + " " + fmt.Sprintf(format, args...)}
	}
	switch want := want.(type) {
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok {
			return differ("is %v, want %v", got, want)
		}
		for name, w := range want {
			differences = append(differences, compare(path+"."+name, w, members[name], variables)...)
		}
		return differences
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return differ("is %v, want %v", got, want)
		}
		for i := range want {
			differences = append(differences, compare(path+"."+strconv.Itoa(i), want[i], list[i], variables)...)
		}
		return differences
	case string:
		return compareText(differ, want, got, variables)
	}
	if !reflect.DeepEqual(got, want) {
		return differ("is %v, want %v", got, want)
	}
	return nil
}

func compareText(differ func(string, ...any) []string, want string, got any, variables map[string]any) []string {
	if strings.HasPrefix(want, "~") {
		text, _ := got.(string)
		if pattern, err := regexp.Compile(want[1:]); err != nil || !pattern.MatchString(text) {
			return differ("is %v, want a match of %s %v", got, want[1:], err)
		}
		return nil
	}
	switch want {
	case "<absent>":
		if got != nil {
			return differ("is %v, want it absent", got)
		}
		return nil
	case "<any>":
		if got == nil {
			return differ("is absent")
		}
		return nil
	case "<time>":
		text, _ := got.(string)
		if at, err := time.Parse(timeForm, text); err != nil || time.Since(at).Abs() > 10*time.Minute {
			return differ("is %v, want a time of the last ten minutes", got)
		}
		return nil
	}
	filled, err := fillText(want, variables)
	if err != nil {
		return differ("%v", err)
	}
	if !reflect.DeepEqual(got, filled) {
		return differ("is %v, want %v", got, filled)
	}
	return nil
}

// at reads a value by a path such as ChannelMessages.0.MessageId; nil is what is not there.
func at(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch inside := v.(type) {
		case map[string]any:
			v = inside[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(inside) {
				return nil
			}
			v = inside[i]
		default:
			return nil
		}
	}
	return v
}
