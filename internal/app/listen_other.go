//go:build !linux

package app

import (
	"context"
	"net"
)

// listenTCP leaves probes to Go: whether connections inherit them from their listener differs between systems.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}
