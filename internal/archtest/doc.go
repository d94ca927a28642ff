// Package archtest holds the rules of the house as tests, each with its reason: which package may
// import which, and what code may not do. It has no code of its own.
//
// A change of the house changes docs/ARCHITECTURE.md, the rule and the code in one commit.
package archtest
