package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting describes one field of Config.
type Setting struct {
	Key     string
	Default string // as it would be written in the environment; empty for none
	Doc     string
	Type    string // text, switch, number, time, size, list or secret
	DevOnly bool   // only dev mode knows it
	NoFlag  bool   // it cannot be given on the command line
	AWS     string // default with the limits of AWS; empty where that is no other
	Detail  bool   // one of many of a kind, which a short overview leaves out
	field   []int
	dev     string
}

var settings = describe(reflect.TypeFor[Config](), nil)

// Settings lists the settings that the mode knows, in the order of Config.
func Settings(mode Mode) []Setting {
	var list []Setting
	for _, s := range settings {
		if s.DevOnly && mode != Dev {
			continue
		}
		if mode == Dev && s.dev != "" {
			s.Default = s.dev
		}
		list = append(list, s)
	}
	return list
}

// describe lists the fields of a structure; at is its index path in Config.
func describe(structure reflect.Type, at []int) []Setting {
	var list []Setting
	for i := range structure.NumField() {
		f, path := structure.Field(i), append(slices.Clone(at), i)
		if key := f.Tag.Get("key"); key == "" && f.Type.Kind() == reflect.Struct {
			list = append(list, describe(f.Type, path)...)
		} else if key != "" {
			list = append(list, Setting{
				Key: key, Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc"), Type: typeName(f.Type),
				DevOnly: f.Tag.Get("mode") == "dev", NoFlag: f.Tag.Get("flag") == "-",
				AWS: f.Tag.Get("aws"), Detail: at != nil, field: path, dev: f.Tag.Get("dev"),
			})
		}
	}
	return list
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[bool]():
		return "switch"
	case reflect.TypeFor[int]():
		return "number"
	case reflect.TypeFor[time.Duration]():
		return "time"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[[]string]():
		return "list"
	case reflect.TypeFor[Secret]():
		return "secret"
	}
	return "text"
}

// assign reads the text into the setting's field.
func (s Setting) assign(cfg *Config, text string) error {
	var err error

	switch field := reflect.ValueOf(cfg).Elem().FieldByIndex(s.field).Addr().Interface().(type) {
	case *string:
		*field = text
	case *Secret:
		*field = NewSecret(text)
	case *[]string:
		*field = splitList(text)
	case *bool:
		if *field, err = strconv.ParseBool(text); err != nil {
			err = fmt.Errorf("must be true or false, not %q", text)
		}
	case *int:
		if *field, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("must be a whole number, not %q", text)
		}
	case *time.Duration:
		if *field, err = time.ParseDuration(text); err != nil {
			err = fmt.Errorf("must be a time such as 30s or 10m, not %q", text)
		}
	case *Size:
		*field, err = parseSize(text)
	default:
		err = errors.New("has a type that settings do not have")
	}

	return err
}

// Value writes the setting's value in cfg as the environment would hold it. A secret gives
// only "(secret)".
func (s Setting) Value(cfg *Config) string {
	switch value := s.of(cfg).(type) {
	case []string:
		return strings.Join(value, ",")
	case time.Duration:
		return shortDuration(value)
	default:
		return fmt.Sprint(value)
	}
}

// Changed names the settings that differ, secrets included.
func Changed(before, after *Config) []string {
	var keys []string
	for _, s := range settings {
		if !reflect.DeepEqual(s.of(before), s.of(after)) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// of is the value of the setting's field.
func (s Setting) of(cfg *Config) any {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(s.field).Interface()
}

// number is the value of a setting that is a whole number.
func (s Setting) number(cfg *Config) int {
	return int(reflect.ValueOf(cfg).Elem().FieldByIndex(s.field).Int())
}

func splitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// shortDuration writes 10m instead of 10m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}
