package realtime

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// Endpoints answers where a client opens its socket.
type Endpoints struct {
	// Host is the bare host[:port] at which the next client is to connect: that of this node, or of one
	// among several that is less busy. Clients sign it, so it must be the Host header that the node sees.
	Host func() string
}

// GetMessagingSessionEndpoint answers the host; clients ask before every connection.
func (e *Endpoints) GetMessagingSessionEndpoint(context.Context, *messaging.GetMessagingSessionEndpointRequest) (*messaging.GetMessagingSessionEndpointResponse, error) {
	return &messaging.GetMessagingSessionEndpointResponse{Endpoint: &messaging.MessagingSessionEndpoint{URL: e.Host()}}, nil
}
