/* exchange16.h - the 16-byte compare-exchange.
 *
 * Role     changes both words of a record of the persistence table in one step
 * Shape    one inline function. The instruction is written out because gcc calls libatomic for
 *          what it says as well (decision 0003)
 * Threads  any: a full barrier, like every locked instruction of x86-64
 * Memory   aligned to 16 bytes
 * Limits   x86-64 processors with cmpxchg16b, which is all since 2006
 * Errors   none
 * Tests    tests/race/race_persist_table.c, tests/unit/test_persist_table.c
 */
#ifndef LB_EXCHANGE16_H
#define LB_EXCHANGE16_H

#include <stdbool.h>
#include <stdint.h>

struct lb_two_words {
	_Alignas(16) uint64_t word[2];
};

/* Writes the wanted words if the expected ones are there. */
static inline bool lb_exchange16(struct lb_two_words *at, struct lb_two_words expected,
				 struct lb_two_words wanted)
{
	bool is_done;

	__asm__("lock cmpxchg16b %1"
		: "=@ccz"(is_done), "+m"(*at), "+a"(expected.word[0]), "+d"(expected.word[1])
		: "b"(wanted.word[0]), "c"(wanted.word[1])
		: "memory");
	return is_done;
}

#endif
