//go:build !linux

package faultnet

import "errors"

// Mirror exists on Linux alone.
type Mirror struct{}

var errNoMirror = errors.New("network interfaces are made on Linux alone")

// Loopback is never needed: nothing is started in a network of its own.
func Loopback() error { return errNoMirror }

// NewMirror fails.
func NewMirror(uint64) (*Mirror, error) { return nil, errNoMirror }

// SetStorm does nothing.
func (m *Mirror) SetStorm(Storm) {}

// Stats counts nothing.
func (m *Mirror) Stats() MirrorStats { return MirrorStats{} }

// Close does nothing.
func (m *Mirror) Close() error { return nil }
