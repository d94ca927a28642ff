package main

import (
	"fmt"
	"net/textproto"
	"strings"
)

// The methods here give the statements about one field. The receiver is v, the
// JSON reader d, the form f, the reader of other parameters p, the buffer b.

// Located reports whether the field travels outside the body.
func (f *field) Located() bool { return f.member.Location != "" }

// Parameter reads a field from the path, the query or a header.
func (f *field) Parameter() (string, error) {
	name := f.member.Wire()
	method := ""
	switch f.member.Location {
	case "uri":
		method = "Path"
	case "header":
		name = textproto.CanonicalMIMEHeaderKey(name)
		method = map[string]string{"string": "Header", "*string": "OptionalHeader"}[f.Type]
	case "querystring":
		method = map[string]string{"string": "Query", "*string": "OptionalQuery", "*int": "OptionalInt", "*time.Time": "OptionalTime"}[f.Type]
		if f.shape.Enum != nil {
			return fmt.Sprintf("v.%s = %s(p.Enum(%q, %q))", f.Go, f.Type, f.Model, name), nil
		}
	}
	if method == "" {
		return "", fmt.Errorf("%s: type %s in %s is not supported", f.Model, f.Type, f.member.Location)
	}
	return fmt.Sprintf("v.%s = p.%s(%q, %q)", f.Go, method, f.Model, name), nil
}

// ReadJSON reads a field of the body.
func (f *field) ReadJSON() (string, error) {
	value := map[string]string{
		"string": "d.String()", "*string": "d.OptionalString()", "int": "d.Int()", "*int": "d.OptionalInt()",
		"bool": "d.Bool()", "*time.Time": "d.OptionalTime()", "[]string": "d.Strings()", "map[string]string": "d.StringMap()",
	}[f.Type]
	if f.shape.Enum != nil {
		value = "parse" + f.Type + "(d.Enum())"
	}
	if value == "" {
		function, elem := f.container()
		if function == "" {
			return "", fmt.Errorf("%s: type %s in a body is not supported", f.Model, f.Type)
		}
		value = fmt.Sprintf("api.Read%s(d, (*%s).decodeJSON)", function, elem)
	}
	return fmt.Sprintf("v.%s = %s", f.Go, value), nil
}

// ReadForm reads a field of a query protocol request.
func (f *field) ReadForm() (string, error) {
	function := map[string]string{
		"string": "String", "*string": "OptionalString", "*int": "OptionalInt", "bool": "Bool", "[]string": "Strings",
	}[f.Type]
	switch {
	case f.shape.Enum != nil:
		return fmt.Sprintf("v.%s = %s(f.Enum(%q))", f.Go, f.Type, f.Model), nil
	case function != "":
		return fmt.Sprintf("v.%s = f.%s(%q)", f.Go, function, f.Model), nil
	}
	if function, elem := f.container(); function == "List" {
		return fmt.Sprintf("v.%s = api.FormList(f, %q, (*%s).decodeForm)", f.Go, f.Model, elem), nil
	}
	return "", fmt.Errorf("%s: type %s in a form is not supported", f.Model, f.Type)
}

// container returns the functions of a structure, a list or a map of structures.
func (f *field) container() (function, elem string) {
	switch f.shape.Type {
	case "structure":
		return "Struct", f.Type[1:]
	case "list":
		return "List", strings.TrimPrefix(f.Type, "[]")
	case "map":
		return "Map", strings.TrimPrefix(f.Type, "map[string]")
	}
	return "", ""
}

// Check checks the field's presence and its value.
func (f *field) Check() string {
	var b strings.Builder
	via := ""
	if note := f.wireNote(); note != "" {
		via = fmt.Sprintf(".Via(%q)", note)
	}

	zero, missing := f.zero()
	required := f.member.Required && f.Type != "bool"
	if required {
		fmt.Fprintf(&b, "if v.%s == %s {\nreturn api.%s(%q)%s\n}\n", f.Go, zero, missing, f.Model, via)
	}
	if !f.constrained {
		return strings.TrimSpace(b.String())
	}

	arg := "v." + f.Go
	if strings.HasPrefix(f.Type, "*") && f.shape.Type != "structure" {
		arg = "*" + arg
	}
	call := "check" + typeName(f.member.Shape) + "(" + arg + ")"
	if f.shape.Type == "structure" {
		call = arg + ".check()"
	}

	inner := fmt.Sprintf("if e := %s; e != nil {\nreturn e.In(%q)%s\n}\n", call, f.Model, via)
	if required {
		b.WriteString(inner)
	} else {
		fmt.Fprintf(&b, "if v.%s != %s {\n%s}\n", f.Go, zero, inner)
	}
	return strings.TrimSpace(b.String())
}

// zero is the value that stands for absence, and the report of it.
func (f *field) zero() (value, report string) {
	switch {
	case f.Type == "string" || f.shape.Enum != nil:
		return `""`, "Empty"
	case f.Type == "int":
		return "0", "Zero"
	}
	return "nil", "Missing"
}

// AppendJSON writes the field.
func (f *field) AppendJSON() string {
	name := fmt.Sprintf("append(b, `,%q:`...)", f.Model)
	src := "v." + f.Go
	var value string
	switch f.Type {
	case "string":
		value = fmt.Sprintf("b = api.AppendString(%s, %s)", name, src)
	case "*string":
		value = fmt.Sprintf("b = api.AppendString(%s, *%s)", name, src)
	case "int":
		value = fmt.Sprintf("b = api.AppendInt(%s, %s)", name, src)
	case "*int":
		value = fmt.Sprintf("b = api.AppendInt(%s, *%s)", name, src)
	case "bool":
		value = fmt.Sprintf("b = api.AppendBool(%s, %s)", name, src)
	case "time.Time":
		value = fmt.Sprintf("b = tf.Append(%s, %s)", name, src)
	case "*time.Time":
		value = fmt.Sprintf("b = tf.Append(%s, *%s)", name, src)
	case "[]string":
		value = fmt.Sprintf("b = api.AppendStrings(%s, %s)", name, src)
	default:
		value = f.appendContainer(name, src)
	}
	return f.guard(value)
}

func (f *field) appendContainer(name, src string) string {
	switch f.shape.Type {
	case "structure":
		return fmt.Sprintf("b = %s.AppendJSON(%s, tf)", src, name)
	case "list":
		return fmt.Sprintf("b = %s\nstart := len(b)\nfor i := range %s {\nb = %s[i].AppendJSON(append(b, ','), tf)\n}\nb = api.CloseArray(b, start)", name, src, src)
	case "map":
		item := fmt.Sprintf("item := %s[k]\nb = item.AppendJSON(b, tf)", src)
		if f.scalarMap {
			item = fmt.Sprintf("b = api.AppendString(b, string(%s[k]))", src)
		}
		return fmt.Sprintf("b = %s\nstart := len(b)\nvar keys [16]string\nfor _, k := range api.SortedKeys(%s, keys[:0]) {\nb = append(api.AppendString(append(b, ','), k), ':')\n%s\n}\nb = api.CloseObject(b, start)", name, src, item)
	}
	return fmt.Sprintf("b = api.AppendString(%s, string(%s))", name, src) // an enumeration
}

// guard leaves an absent field out.
func (f *field) guard(statement string) string {
	condition := ""
	switch {
	case f.shape.Enum != nil, f.Type == "string" && f.omitEmpty:
		condition = `""`
	case f.Type == "string", f.Type == "int", f.Type == "bool", f.Type == "time.Time":
	case f.shape.Type == "list" && f.always:
	default:
		condition = "nil"
	}
	if condition == "" {
		if strings.Contains(statement, ":=") {
			return "{\n" + statement + "\n}"
		}
		return statement
	}
	return fmt.Sprintf("if v.%s != %s {\n%s\n}", f.Go, condition, statement)
}

// AppendXML writes the field for the query protocol.
func (f *field) AppendXML() string {
	src := "v." + f.Go
	value := src
	if strings.HasPrefix(f.Type, "*") {
		value = "*" + src
	}

	function := map[string]string{
		"string": "Element", "*string": "Element", "int": "IntElement", "*int": "IntElement",
		"bool": "BoolElement", "time.Time": "TimeElement", "*time.Time": "TimeElement",
	}[f.Type]
	if f.shape.Enum != nil {
		function, value = "Element", "string("+src+")"
	}

	if function != "" {
		return f.guard(fmt.Sprintf("b = api.Append%s(b, %q, %s)", function, f.Model, value))
	}

	content := ""
	switch {
	case f.shape.Type == "structure":
		content = fmt.Sprintf("b = %s.AppendXML(b)", src)
	case f.Type == "[]string":
		content = fmt.Sprintf("for _, item := range %s {\nb = api.AppendElement(b, \"member\", item)\n}", src)
	case f.shape.Type == "list":
		content = fmt.Sprintf("for i := range %s {\nb = api.AppendOpen(b, \"member\")\nb = %s[i].AppendXML(b)\nb = api.AppendEnd(b, \"member\")\n}", src, src)
	case f.shape.Type == "map":
		item := fmt.Sprintf("b = api.AppendElement(b, \"value\", string(%s[k]))", src)
		content = fmt.Sprintf("var keys [16]string\nfor _, k := range api.SortedKeys(%s, keys[:0]) {\nb = api.AppendOpen(b, \"entry\")\nb = api.AppendElement(b, \"key\", k)\n%s\nb = api.AppendEnd(b, \"entry\")\n}", src, item)
	}
	return f.guard(fmt.Sprintf("b = api.AppendOpen(b, %q)\n%s\nb = api.AppendEnd(b, %q)", f.Model, content, f.Model))
}
