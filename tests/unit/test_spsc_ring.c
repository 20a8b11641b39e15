#include "runtime/spsc_ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	uint64_t a;
	uint64_t b;
	uint32_t c;
};

static struct lb_spsc_ring *make_ring(uint32_t n_cells)
{
	size_t bytes = (lb_spsc_bytes(n_cells, sizeof(struct cell)) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, bytes);
	struct lb_spsc_ring *r = NULL;

	cr_assert_not_null(mem);
	memset(mem, 0, bytes);
	cr_assert_eq(lb_spsc_init(mem, n_cells, sizeof(struct cell), &r), 0);
	return r;
}

Test(spsc_ring, refuses_sizes_that_are_no_power_of_two)
{
	static const uint32_t sizes[] = {0, 3, 6, 1000, 0xffffffff};
	struct lb_spsc_ring *r = NULL;
	_Alignas(64) uint8_t mem[512];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		cr_expect_eq(lb_spsc_init(mem, sizes[i], 8, &r), -EINVAL, "size %u", sizes[i]);
	cr_expect_eq(lb_spsc_init(mem, 4, 0, &r), -EINVAL);
	cr_expect_null(r);
}

Test(spsc_ring, a_full_ring_takes_what_fits_and_keeps_it)
{
	struct lb_spsc_ring *r = make_ring(4);
	struct cell in[6], out[6];

	for (uint32_t i = 0; i < 6; i++)
		in[i] = (struct cell){.a = i, .b = ~(uint64_t)i, .c = i * 7};
	cr_expect_eq(lb_spsc_push(r, in, 6), 4);
	cr_expect_eq(lb_spsc_push(r, in + 4, 2), 0);
	cr_expect_eq(lb_spsc_room(r), 0);
	cr_expect_eq(lb_spsc_pop(r, out, 3), 3);
	cr_expect_eq(lb_spsc_room(r), 3);
	cr_expect_eq(lb_spsc_push(r, in + 4, 2), 2);
	cr_expect_eq(lb_spsc_pop(r, out + 3, 9), 3);
	for (uint32_t i = 0; i < 6; i++)
		cr_expect(out[i].a == i && out[i].b == ~(uint64_t)i && out[i].c == i * 7, "cell %u",
			  i);
	cr_expect_eq(lb_spsc_pop(r, out, 1), 0);
	free(r);
}

Test(spsc_ring, agrees_with_a_counter_under_random_bursts)
{
	struct lb_spsc_ring *r = make_ring(32);
	uint64_t pushed = 0, popped = 0;
	unsigned int seed = 20240611;

	for (uint32_t round = 0; round < 20000; round++) {
		struct cell cells[40];
		uint32_t n = (uint32_t)(rand_r(&seed) % 41),
			 free_cells = (uint32_t)(32 - (pushed - popped));

		if (rand_r(&seed) & 1) {
			for (uint32_t i = 0; i < n; i++)
				cells[i] = (struct cell){.a = pushed + i};
			cr_assert_eq(lb_spsc_push(r, cells, n), n < free_cells ? n : free_cells);
			pushed += n < free_cells ? n : free_cells;
		} else {
			uint32_t got = lb_spsc_pop(r, cells, n);

			cr_assert_eq(got, n < pushed - popped ? n : pushed - popped);
			for (uint32_t i = 0; i < got; i++)
				cr_assert_eq(cells[i].a, popped + i, "seed 20240611 round %u",
					     round);
			popped += got;
		}
		cr_assert_eq(lb_spsc_count(r), pushed - popped);
	}
	free(r);
}
