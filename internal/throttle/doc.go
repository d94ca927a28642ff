// Package throttle refuses calls that come faster than AWS's rates allow (spec 11.2, 11.3).
//
// Each rate is a token bucket for each scope that it is counted in: the account, an app instance,
// a channel or sub-channel, a user, a bearer. A bucket fills at the rate and holds two seconds of
// it, so a caller may be quick for a moment and not for long (spec 10.7).
//
// It promises:
//
//   - In any stretch of time no scope gets more than the rate times that time, and the burst.
//   - A call that falls under several rates takes from all of their buckets or from none: what is
//     refused uses nothing up, so a caller that waits as long as Retry-After says gets in.
//   - Rates that are off cost nothing: a Limiter without rates is nil, and a nil Limiter admits.
//   - With rates on there is no global lock, nothing is allocated for a scope that is known, and
//     buckets that are full again are forgotten, so memory follows the calls of the last seconds.
package throttle
