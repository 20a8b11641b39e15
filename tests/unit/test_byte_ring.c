#include "runtime/byte_ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 300u

static struct lb_byte_ring *make_ring(uint32_t size)
{
	size_t bytes = (lb_byte_ring_bytes(size) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, bytes);
	struct lb_byte_ring *r = NULL;

	cr_assert_not_null(mem);
	memset(mem, 0, bytes);
	cr_assert_eq(lb_byte_ring_init(mem, size, &r), 0);
	return r;
}

Test(byte_ring, refuses_sizes_out_of_bounds)
{
	static const uint32_t sizes[] = {0, 32, 65, 1000, UINT32_C(1) << 31};
	struct lb_byte_ring *r = NULL;
	_Alignas(64) uint8_t mem[1024];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		cr_expect_eq(lb_byte_ring_init(mem, sizes[i], &r), -EINVAL, "size %u", sizes[i]);
	cr_expect_null(r);
}

Test(byte_ring, a_record_that_does_not_fit_changes_nothing)
{
	struct lb_byte_ring *r = make_ring(64);
	uint8_t in[128] = {1, 2, 3}, out[128];
	uint32_t tag, len;

	cr_expect(!lb_byte_ring_put(r, 1, in, 57), "57 bytes and a head are more than 64");
	cr_expect(!lb_byte_ring_put(r, 1, in, UINT32_MAX - 6));
	cr_expect(lb_byte_ring_put(r, 2, in, 56));
	cr_expect(!lb_byte_ring_put(r, 3, in, 0), "not even a head fits any more");
	cr_expect(lb_byte_ring_get(r, &tag, out, sizeof(out), &len));
	cr_expect(tag == 2 && len == 56 && memcmp(in, out, 56) == 0);
	cr_expect(!lb_byte_ring_get(r, &tag, out, sizeof(out), &len));
	free(r);
}

Test(byte_ring, a_short_reader_gets_the_start_and_the_whole_length)
{
	struct lb_byte_ring *r = make_ring(256);
	uint8_t in[100], out[100];
	uint32_t tag, len;

	memset(in, 0xab, sizeof(in));
	memset(out, 0, sizeof(out));
	cr_expect(lb_byte_ring_put(r, 9, in, 100));
	cr_expect(lb_byte_ring_put(r, 10, in, 3));
	cr_expect(lb_byte_ring_get(r, &tag, out, 40, &len));
	cr_expect(tag == 9 && len == 100 && out[39] == 0xab && out[40] == 0);
	cr_expect(lb_byte_ring_get(r, &tag, out, 40, &len));
	cr_expect(tag == 10 && len == 3);
	free(r);
}

struct record {
	uint32_t tag;
	uint32_t len;
	uint8_t bytes[FRAME_MAX];
};

/* The naive twin is a list of records; only what both hold is compared, room is the ring's. */
Test(byte_ring, agrees_with_a_list_of_records)
{
	static struct record list[64];
	struct lb_byte_ring *r = make_ring(1024);
	uint32_t first = 0, n = 0, refused = 0;
	unsigned int seed = 77;

	for (uint32_t round = 0; round < 50000; round++) {
		if (rand_r(&seed) & 1) {
			struct record *new = &list[(first + n) % 64];

			new->tag = round;
			new->len = (uint32_t)rand_r(&seed) % (FRAME_MAX + 1);
			memset(new->bytes, rand_r(&seed) & 0xff, new->len);
			if (n == 64)
				continue;
			if (lb_byte_ring_put(r, new->tag, new->bytes, new->len))
				n++;
			else
				refused++;
		} else {
			uint8_t out[FRAME_MAX];
			uint32_t tag, len;
			bool got = lb_byte_ring_get(r, &tag, out, sizeof(out), &len);

			cr_assert_eq(got, n > 0, "seed 77 round %u", round);
			if (!got)
				continue;
			cr_assert(tag == list[first].tag && len == list[first].len &&
					  memcmp(out, list[first].bytes, len) == 0,
				  "seed 77 round %u", round);
			first = (first + 1) % 64;
			n--;
		}
	}
	cr_expect_gt(refused, 100, "the ring was hardly ever full");
	free(r);
}
