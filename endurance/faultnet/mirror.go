package faultnet

import "time"

// Addresses of a Mirror. A connection to MirrorFar arrives at MirrorNear, by way of the mirror.
const (
	MirrorNear = "10.77.0.1"
	MirrorFar  = "10.77.0.2"
)

// Storm is what a Mirror does to packets. Loss and Double are probabilities of 0 to 1.
type Storm struct {
	Loss, Double float64
	Delay        time.Duration // of each packet a random part, so that they overtake each other
}

// MirrorStats counts packets.
type MirrorStats struct{ Carried, Lost, Doubled, Delayed int }
