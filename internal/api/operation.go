package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// Protocol is how an API travels over HTTP.
type Protocol uint8

const (
	RESTJSON Protocol = iota // method, path, query and headers carry members; JSON both ways
	Query                    // a form with Action in, XML out
	JSON                     // X-Amz-Target, JSON both ways, __type in errors
)

// Input is a request before it has types. The caller bounds its size.
type Input struct {
	// Path gives a percent-decoded path label by the name it has in
	// Operation.Path. Only rest-json operations use it.
	Path   func(label string) string
	Query  url.Values
	Header http.Header // names in canonical form
	Body   []byte
	// Form holds the parameters of the query protocol.
	Form url.Values
}

// Request is a request of one operation.
type Request interface {
	// Decode reads the request. It refuses what cannot be read; constraints
	// are left to Validate.
	Decode(in *Input) error
	// Validate checks every constraint of the model, in its order of members,
	// and reports the first violation.
	Validate() error
	// Member gives the value of a top-level string member by its name in the
	// model (ChannelArn), empty when it is absent. Some members are sensitive:
	// log only those whose name ends in Arn, and ChimeBearer.
	Member(name string) string
}

// Response is an answer of one operation.
type Response interface {
	AppendJSON(b []byte, tf TimeFormat) []byte
}

// PagedRequest is a request of a list that goes on where a page ended.
type PagedRequest interface {
	Request
	PageToken() **string // nil for the first page
}

// PagedResponse is a page of a list.
type PagedResponse interface {
	Response
	PageToken() *string // empty on the last page
}

// XMLResponse is an answer of the query protocol.
type XMLResponse interface {
	Response
	// AppendXML appends the elements of the members, without one around them.
	AppendXML(b []byte) []byte
}

// Operation is one row of a service's table: what routes a request, what
// reads it and what answers it.
type Operation struct {
	Service     string // chime-sdk-messaging
	SigningName string // service name in a SigV4 scope: chime
	Protocol    Protocol
	Name        string            // SendChannelMessage; Action of the query protocol
	Target      string            // X-Amz-Target of the json protocol
	Method      string            // GET
	Path        string            // /channels/{channelArn}/messages
	Query       map[string]string // fixed parameters that select it among those of the path
	Labels      []string          // names in Path, in order
	Status      int               // HTTP status of success; 204 has no body
	Unsigned    bool              // carries no signature
	Bearer      bool              // has the member ChimeBearer, required or not
	ReadOnly    bool              // changes nothing
	Idempotency string            // member that makes a repeated call safe; may be empty
	Errors      []string          // exceptions that it declares
	// Namespace and Wrapper are the XML namespace and the element around the
	// result, of the query protocol.
	Namespace, Wrapper string

	// Decode reads and validates a request; its error is an *Error.
	Decode func(in *Input) (Request, error)
	// Call runs the operation on a request that its own Decode returned.
	Call func(ctx context.Context, req Request) (Response, error)
}

// Declares reports whether the operation's model lists the exception.
func (op *Operation) Declares(exception string) bool {
	return slices.Contains(op.Errors, exception)
}

// requestPointer and responsePointer say that a pointer to the generated
// structure has the methods.
type requestPointer[T any] interface {
	*T
	Request
}

type responsePointer[T any] interface {
	*T
	Response
}

// Bind completes a row with the method that runs it. A method that has nothing
// to say may return a nil response.
func Bind[I, O any, Req requestPointer[I], Resp responsePointer[O]](op Operation, call func(context.Context, Req) (Resp, error)) Operation {
	op.Decode = func(in *Input) (Request, error) {
		req := Req(new(I))
		if err := req.Decode(in); err != nil {
			return nil, err
		}
		if err := req.Validate(); err != nil {
			return nil, err
		}
		return req, nil
	}

	op.Call = func(ctx context.Context, req Request) (Response, error) {
		resp, err := call(ctx, req.(Req))
		if err != nil {
			return nil, err
		}
		if resp == nil {
			resp = new(O)
		}
		return resp, nil
	}
	return op
}

// AppendResponse appends the body of a successful answer in the operation's
// protocol.
func (op *Operation) AppendResponse(b []byte, resp Response, requestID string) []byte {
	if op.Protocol != Query {
		return resp.AppendJSON(b, Epoch)
	}

	b = append(b, '<')
	b = append(b, op.Name...)
	b = append(b, `Response xmlns="`...)
	b = AppendText(b, op.Namespace)
	b = append(b, `">`...)
	if x, ok := resp.(XMLResponse); ok && op.Wrapper != "" {
		b = AppendOpen(b, op.Wrapper)
		b = x.AppendXML(b)
		b = AppendEnd(b, op.Wrapper)
	}

	b = AppendOpen(b, "ResponseMetadata")
	b = AppendElement(b, "RequestId", requestID)
	b = AppendEnd(b, "ResponseMetadata")
	return AppendEnd(b, op.Name+"Response")
}

// AppendError appends the body of an error in the operation's protocol.
func (op *Operation) AppendError(b []byte, e *Error, requestID string) []byte {
	switch op.Protocol {
	case Query:
		return e.AppendXML(b, op.Namespace, requestID)
	case JSON:
		return e.AppendTypedJSON(b)
	}
	return e.AppendJSON(b)
}
