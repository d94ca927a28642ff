package realtime

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// Endpoints answers where a client opens its socket.
type Endpoints struct {
	// Host is the bare host[:port] that clients reach this node under. They sign it, so it
	// must be the Host header that the node sees.
	Host string
}

// GetMessagingSessionEndpoint answers the host; clients ask before every connection.
func (e *Endpoints) GetMessagingSessionEndpoint(context.Context, *messaging.GetMessagingSessionEndpointRequest) (*messaging.GetMessagingSessionEndpointResponse, error) {
	return &messaging.GetMessagingSessionEndpointResponse{Endpoint: &messaging.MessagingSessionEndpoint{URL: e.Host}}, nil
}
