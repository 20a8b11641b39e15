/* sample.h - a packet made of a 5-tuple, for asking what would become of it.
 *
 * Role     a sound frame with the headers of a question, so that the passes can be asked with what
 *          they work on
 * Shape    one function into the caller's buffer
 * Units    bytes
 * Threads  pure
 * Memory   the caller's, LB_SAMPLE_BYTES
 * Limits   IP packets up to LB_QUESTION_BYTES_MAX
 * Errors   none
 * Tests    tests/unit/test_pipeline_explain.c
 */
#ifndef LB_SAMPLE_H
#define LB_SAMPLE_H

#include "lb/explain.h"
#include "packet/packet.h"

#define LB_SAMPLE_HEADROOM 128u
#define LB_SAMPLE_BYTES (LB_SAMPLE_HEADROOM + LB_QUESTION_BYTES_MAX + 256u)

/* A view of the packet in `room`, ready for lb_parse. */
struct lb_pkt lb_sample_make(const struct lb_question *q, uint8_t room[LB_SAMPLE_BYTES]);

#endif
