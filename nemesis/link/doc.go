// Package link gives plain processes on one machine a network that can be cut: one TCP listener on 127.0.0.1 for every
// ordered pair of nodes, that forwards to the peer port of the second. It needs no privilege and no kernel feature, which
// is why a cluster of plain processes uses it where network namespaces are not to be had.
//
// # What a cut means
//
// A Link is directed, a TCP connection is not: bytes that node a sends to node b travel on connections that a dialled
// and, as answers, on connections that b dialled. Each direction of each connection therefore passes its own gate, and
// there is one gate for each directed link. Cutting a->b stops what a sends on either kind of connection and nothing else.
//
//   - What was under way is held back, not lost: nothing is closed, and the same connections go on after the heal, as
//     TCP connections do when a packet filter stops dropping. Options.ResetOnHeal resets them instead.
//   - Ends of streams and resets are held back like bytes: a node that is cut off does not learn that its peer died.
//   - A connection that is dialled while the dialler's link is cut reaches nobody, as when its SYN is dropped. The one
//     difference that a dialler can see: its connect succeeds at once (the link's listener is always there), then nothing
//     flows. A dialler that gives up before the heal leaves no trace at the other side.
//   - A cut in one direction stops data in that direction only: acknowledgements belong to the kernel's connections on
//     either side of the link, and are not part of the stream. The data of the other direction keeps flowing.
//
// A link can be shaped too: late, lossy or narrow, as far as a stream can show that. See ShapeLinks.
//
// Memory is bounded: a direction holds back one buffer's worth and then stops reading, so that the sender's own send
// buffer fills, as it does behind a dropped link.
package link
