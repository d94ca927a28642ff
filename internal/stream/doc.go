// Package stream keeps where the events of an app instance are to be streamed to (spec 9.1).
// It checks and answers the settings; it exports nothing.
package stream
