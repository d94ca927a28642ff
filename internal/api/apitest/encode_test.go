package apitest_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/model"
)

// newResponse makes an empty response of the operation.
func newResponse(t *testing.T, s *service, op api.Operation) reflect.Value {
	method, ok := s.handler.MethodByName(op.Name)
	if !ok {
		t.Fatalf("no method %s", op.Name)
	}
	return reflect.New(method.Type.Out(0).Elem())
}

// fill sets every member that can be set, or leaves it out now and then.
func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(rng.Int64N(4e12) - 1e12).UTC()))
			return
		}
		for i := range v.NumField() {
			if rng.IntN(4) > 0 {
				fill(rng, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rng.IntN(3), 3))
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rng.IntN(4) {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(rng, item)
			v.SetMapIndex(reflect.ValueOf(text(rng)), item)
		}
	case reflect.String:
		v.SetString(text(rng))
	case reflect.Int:
		v.SetInt(rng.Int64N(1<<40) - 1<<39)
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	}
}

func text(rng *rand.Rand) string {
	alphabet := []rune("ab<>&\"'\\/ \t\n\ré€😀\u2028\u007f")
	s := make([]rune, rng.IntN(6))
	for i := range s {
		s[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(s)
}

// answers calls check with many random answers of an operation and the tree
// that their document must mean.
func answers(t *testing.T, s *service, op api.Operation, check func(resp api.Response, want any)) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		v := newResponse(t, s, op)
		fill(rng, v.Elem())
		want := any(map[string]any{})
		if shape := s.model.Operations[op.Name].Output; shape != "" {
			want = s.tree(shape, v, forOutput)
		}
		check(v.Interface().(api.Response), want)
	}
}

func TestAnswersMeanTheSameToEncodingJSON(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		answers(t, s, op, func(resp api.Response, want any) {
			var got any
			doc := resp.AppendJSON([]byte("x"), api.Epoch)[1:]
			if err := json.Unmarshal(doc, &got); err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s\nmeans %v\nwant  %v", doc, got, want)
			}
			if !bytes.Equal(doc, resp.AppendJSON(nil, api.Epoch)) {
				t.Fatal("two encodings of one value differ")
			}
		})
	})
}

func TestQueryAnswersMeanTheSameToEncodingXML(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		if op.Protocol != api.Query {
			return
		}
		m := s.model
		output := m.Operations[op.Name].Output
		answers(t, s, op, func(resp api.Response, want any) {
			doc := op.AppendResponse(nil, resp, "id-1")
			root, err := parseXML(doc)
			if err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			if root.XMLName.Local != op.Name+"Response" || root.XMLName.Space != m.Metadata.XMLNamespace {
				t.Fatalf("root element %v", root.XMLName)
			}
			if id := root.child("ResponseMetadata").child("RequestId").Text; id != "id-1" {
				t.Fatalf("request id %q in\n%s", id, doc)
			}
			if output == "" {
				return
			}
			got := root.child(op.Wrapper).tree(m, output)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s\nmeans %v\nwant  %v", doc, got, want)
			}
		})
	})
}

// node is any XML element.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func parseXML(doc []byte) (node, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var root node
	if err := d.Decode(&root); err != nil {
		return root, err
	}
	if _, err := d.Token(); err != io.EOF {
		return root, fmt.Errorf("data after the document: %v", err)
	}
	return root, nil
}

func (n node) child(name string) node {
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			return c
		}
	}
	return node{}
}

// tree reads the element as the model says.
func (n node) tree(m *model.Model, shape string) any {
	s := m.Shapes[shape]
	switch s.Type {
	case "structure":
		members := map[string]any{}
		for _, member := range s.Members {
			if c := n.child(member.Name); c.XMLName.Local != "" {
				members[member.Name] = c.tree(m, member.Shape)
			}
		}
		return members
	case "list":
		list := []any{}
		for _, c := range n.Children {
			list = append(list, c.tree(m, string(s.Member)))
		}
		return list
	case "map":
		entries := map[string]any{}
		for _, c := range n.Children {
			entries[c.child("key").Text] = c.child("value").tree(m, string(s.Value))
		}
		return entries
	case "timestamp":
		at, err := time.Parse("2006-01-02T15:04:05.000Z", n.Text)
		if err != nil {
			return err
		}
		return float64(at.UnixMilli()) / 1000
	case "integer":
		f, err := strconv.ParseFloat(n.Text, 64)
		if err != nil {
			return err
		}
		return f
	case "boolean":
		return n.Text == "true"
	}
	return n.Text
}

func TestAnswersEndInTheProtocolsForm(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		resp := newResponse(t, s, op).Interface().(api.Response)
		doc := string(op.AppendResponse(nil, resp, "id-1"))
		if op.Protocol == api.Query != strings.HasPrefix(doc, "<") || op.Protocol != api.Query && !json.Valid([]byte(doc)) {
			t.Errorf("got %s", doc)
		}
		fault := string(op.AppendError(nil, api.Forbidden("no"), "id-1"))
		want := map[api.Protocol]string{
			api.RESTJSON: `{"Code":"Forbidden","Message":"no"}`,
			api.JSON:     `{"__type":"ForbiddenException","message":"no"}`,
			api.Query:    `<ErrorResponse xmlns="` + op.Namespace + `"><Error><Type>Sender</Type><Code>Forbidden</Code><Message>no</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`,
		}[op.Protocol]
		if fault != want {
			t.Errorf("got %s\nwant %s", fault, want)
		}
	})
}
