package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// The methods here make AppendIDs, which reduces a request or an answer to what names things: the audit
// log has that and nothing else of it.

// identifies fits the members that name a thing, and named those of IAM and STS, whose names are ids.
var (
	identifies = regexp.MustCompile(`(Arn|ARN|Id|ID)s?$|^ChimeBearer$`)
	named      = []string{"GroupName", "PolicyName", "RoleName", "RoleSessionName", "UserName"}
)

// unnamed are members with the name of an id that name nothing, or that a caller may keep to itself.
var unnamed = []string{"CallbackId", "ExternalId", "LocaleId"}

// reads fits the operations that only look. Of those of STS and Cognito none changes anything but GetId,
// yet what they give out is looked for by the ids in their answers.
var reads = regexp.MustCompile(`^(Describe|Get|List|Search|Simulate)`)

func (p *planner) issues() bool { return p.Service == "sts" || p.Service == "cognito-identity" }

// readOnly reports whether an operation changes nothing.
func (p *planner) readOnly(operation string) bool {
	if p.issues() {
		return operation != "GetId"
	}
	return reads.MatchString(operation)
}

// planIDs marks the structures that have a member that names a thing, at any depth. What was only
// looked at is not among them.
func (p *planner) planIDs() error {
	reached := map[string]bool{}
	for name, op := range p.Operations {
		if err := p.mark(op.Input, reached); err != nil {
			return err
		}
		if p.issues() || !p.readOnly(name) {
			if err := p.mark(op.Output, reached); err != nil {
				return err
			}
		}
	}
	byName := map[string]*structure{}
	for shape := range reached {
		if i := slices.IndexFunc(p.pkg.Structs, func(st *structure) bool { return st.Name == typeName(shape) }); i >= 0 {
			byName[typeName(shape)] = p.pkg.Structs[i]
		}
	}

	for changed := true; changed; {
		changed = false
		for _, st := range byName {
			for _, f := range st.Fields {
				inner := byName[strings.TrimLeft(f.Type, "*[]")]
				f.identifies = f.isID() || inner != nil && inner.Identified && f.shape.Type != "map"
				if f.identifies && !st.Identified {
					st.Identified, changed = true, true
				}
			}
		}
	}
	return nil
}

// isID reports whether the field itself is the name of a thing, or a list of such names.
func (f *field) isID() bool {
	if f.shape.Enum != nil || !slices.Contains([]string{"string", "*string", "[]string"}, f.Type) || slices.Contains(unnamed, f.Model) {
		return false
	}
	return identifies.MatchString(f.Model) || slices.Contains(named, f.Model)
}

// AppendID writes the field, if it names a thing.
func (f *field) AppendID() string {
	name, src := fmt.Sprintf("`,%q:`", lowerFirst(f.Model)), "v."+f.Go
	switch {
	case !f.identifies:
		return ""
	case f.Type == "string":
		return fmt.Sprintf("if %s != \"\" {\nb = api.AppendString(append(b, %s...), %s)\n}", src, name, src)
	case f.Type == "*string":
		return fmt.Sprintf("if %s != nil {\nb = api.AppendString(append(b, %s...), *%s)\n}", src, name, src)
	case f.Type == "[]string":
		return fmt.Sprintf("if len(%s) > 0 {\nb = api.AppendStrings(append(b, %s...), %s)\n}", src, name, src)
	case f.shape.Type == "list":
		return fmt.Sprintf("b = api.AppendIDsOfAll(b, %s, %s, (*%s).AppendIDs)", name, src, strings.TrimPrefix(f.Type, "[]"))
	}
	return fmt.Sprintf("if %s != nil {\nb = api.AppendIDsOf(b, %s, %s)\n}", src, name, src)
}

// lowerFirst is a member's name as CloudTrail writes it.
func lowerFirst(s string) string {
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}
