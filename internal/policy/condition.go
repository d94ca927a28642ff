package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Condition compares the values of one key: one line of one operator's block.
type Condition struct {
	Operator string   // as written
	Key      string   // as written
	Values   []string // numbers and booleans as JSON writes them

	operator *operator
	set      setPrefix
	ifExists bool
	key      string     // lower case
	texts    []template // the values, for operators on text
	checks   []check    // the values, for all others
}

// setPrefix decides how the several values of a key count together.
type setPrefix int

const (
	noSet        setPrefix = iota
	forAllValues           // each must fit
	forAnyValue            // one must fit
)

func (r *reader) conditions() (list []Condition, err error) {
	err = r.object("Condition", func(operator string) error {
		return r.object("Condition "+operator, func(key string) error {
			values, err := r.scalars("Condition " + operator + " " + key)
			list = append(list, Condition{Operator: operator, Key: key, Values: values})
			return err
		})
	})
	return list, err
}

// compile finds the operator and prepares the values.
func (c *Condition) compile(variables bool) error {
	// The set prefix and IfExists enclose the operator's name.
	name := strings.ToLower(c.Operator)
	if rest, found := strings.CutPrefix(name, "forallvalues:"); found {
		name, c.set = rest, forAllValues
	} else if rest, found := strings.CutPrefix(name, "foranyvalue:"); found {
		name, c.set = rest, forAnyValue
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	c.operator = operators[name]

	switch {
	case c.operator == nil:
		return fmt.Errorf("the condition operator %q is unknown", c.Operator)
	case c.operator.null && (c.ifExists || c.set != noSet):
		return fmt.Errorf("the condition operator %q: Null can have no IfExists, ForAllValues or ForAnyValue", c.Operator)
	}

	if i := strings.IndexByte(c.Key, ':'); i <= 0 || i == len(c.Key)-1 || strings.ContainsAny(c.Key, "*?${}") {
		return fmt.Errorf("the condition key %q of %s is no prefix and name, like aws:username", c.Key, c.Operator)
	}

	c.key = strings.ToLower(c.Key)
	for _, text := range c.Values {
		if err := c.compileValue(text, variables); err != nil {
			return fmt.Errorf("the value %q of %s %s %w", text, c.Operator, c.Key, err)
		}
	}
	return nil
}

func (c *Condition) compileValue(text string, variables bool) error {
	if how := c.operator.text; how != noText {
		t, err := compileTemplate(text, variables, how.wild())
		if err == nil && how == likeARN && len(t.rest) == 0 {
			err = checkARNPattern(t.text)
		}
		c.texts = append(c.texts, t)
		return err
	}
	check, err := c.operator.read(text)
	c.checks = append(c.checks, check)
	return err
}

// condition reports whether a condition holds.
func (e *evaluation) condition(c *Condition) bool {
	values, found := e.lookup(c.key)
	if c.operator.null {
		fits, _ := e.fits(c, strconv.FormatBool(!found || len(values) == 0))
		return fits
	}

	// A missing key fits no positive operator and every negated one.
	if !found || len(values) == 0 || c.set != noSet && allEmpty(values) {
		return c.ifExists || c.set == forAllValues || c.set == noSet && c.operator.negated
	}

	some, all := false, true
	for _, value := range values {
		fits, resolved := e.fits(c, value)
		if !fits && !resolved && c.operator.negated {
			return false // an unresolved variable: what the value must be unlike is unknown
		}
		some, all = some || fits, all && fits
	}

	switch {
	case c.set == forAllValues && !c.operator.negated:
		return all
	case c.set == forAnyValue && c.operator.negated:
		return !all
	default:
		return some != c.operator.negated
	}
}

// fits compares one value of the key with those of the condition, as the operator without its Not
// does. Resolved is false when a variable among them had no value.
func (e *evaluation) fits(c *Condition, value string) (fits, resolved bool) {
	resolved = true
	for i := range c.texts {
		var space [256]byte
		pattern, ok := e.expand(&c.texts[i], space[:0])
		resolved = resolved && ok
		if ok && c.operator.text.compare(pattern, value) {
			return true, resolved
		}
	}
	for _, check := range c.checks {
		if check.holds(value) {
			return true, resolved
		}
	}
	return false, resolved
}

// allEmpty is true of what AWS calls a null data set.
func allEmpty(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}
