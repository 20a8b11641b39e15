/* tcp_window.h - does a segment belong where its connection has got to?
 *
 * Role     tells a reset or FIN of the connection from one of somebody who guesses its numbers
 * Shape    pure comparisons of the upper halves of sequence numbers
 * Units    pages of 64 KiB of sequence space; they wrap as the numbers do
 * Threads  pure
 * Memory   none; an entry keeps two pages, of the client's last sequence number and acknowledgement
 * Limits   coarse: of numbers drawn at random 66 of 65536 belong, and a segment that is rightly
 *          further away does not. RFC 9293 asks for the exact number, which both ends know
 * Errors   none
 * Source   RFC 9293 3.10.7.4, RFC 5961 3; decision 0082
 * Tests    tests/unit/test_conn_track.c
 */
#ifndef LB_TCP_WINDOW_H
#define LB_TCP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define LB_TCP_PAGES_AHEAD 64u /* 4 MiB: what may be under way unseen */
#define LB_TCP_PAGES_BACK 1u   /* of what was overtaken or is sent again */

/* From one page before `place` to LB_TCP_PAGES_AHEAD after it. */
static inline bool lb_tcp_is_at(uint16_t page, uint16_t place)
{
	return (uint16_t)(page - place + LB_TCP_PAGES_BACK) <=
	       LB_TCP_PAGES_AHEAD + LB_TCP_PAGES_BACK;
}

/* The same of an acknowledgement of what stands at `place`: it lags behind. */
static inline bool lb_tcp_acknowledges(uint16_t page, uint16_t place)
{
	return lb_tcp_is_at(place, page);
}

#endif
