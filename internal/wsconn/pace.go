package wsconn

import "time"

// paceBurst is how much of its allowance a client may use at once.
const paceBurst = 10 * time.Second

// pace is how fast clients may send. Each frame and each byte uses up a piece of time; a client
// that is ahead of the clock by more than the burst sends too fast. So a connection remembers one
// number, which no clock has to move, and nothing is allocated or swept.
type pace struct {
	start       time.Time
	frame, byte time.Duration // what one of them uses up
}

func newPace(frames, bytes int) pace {
	return pace{start: time.Now(), frame: time.Second / time.Duration(frames), byte: time.Second / time.Duration(bytes)}
}

// spend counts what a client sent. until is the end of what it used up, as time since the start;
// ahead is how far that is in the future.
func (p *pace) spend(until *time.Duration, frames, bytes int) (ahead time.Duration) {
	now := time.Since(p.start)
	*until = max(*until, now) + time.Duration(frames)*p.frame + time.Duration(bytes)*p.byte
	return *until - now
}
