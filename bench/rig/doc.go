// Package rig is what measurements share: connections that cost the generator of the load next to
// nothing, sockets by the thousand on one thread, a steady pace, and the accounts of processes.
//
// Requests are written as they were prepared, and of answers and frames only what has to be known
// is read, so that the load takes little of the machine that it measures. For the same reason a
// message carries a marker that is found in any frame without parsing it.
package rig
