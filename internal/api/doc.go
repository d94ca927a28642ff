// Package api is the wire layer: what a request may hold, how it is read, how
// an answer is written, and which operation a request belongs to.
//
// The types, decoders, validators and encoders of the six APIs live in the
// packages below this one and are generated from the models in model/. This
// package is the small runtime they share. It promises:
//
//   - A request that came through Operation.Decode holds every constraint of
//     its model: nothing behind it checks a length or a pattern again.
//   - The first violation, in the model's order of members, is reported, and
//     the error names the member as the model spells it, with its path
//     (Processors[0].Configuration.Lambda.ResourceArn). Values of members are
//     never repeated in an error: they may be sensitive.
//   - Work and memory are bounded by the size of the input, which the caller
//     has to bound.
//   - Encoding appends to the caller's buffer, uses no reflection and cannot
//     fail.
//
// It is pure: no I/O, no clock, no state but pools of decoders.
package api

//go:generate go run ./gen -root ../..
