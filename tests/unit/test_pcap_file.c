#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pcap_file.h"

static char path[] = "/tmp/test_pcap_file.XXXXXX";

static void make_path(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void remove_path(void)
{
	unlink(path);
}

TestSuite(pcap_file, .init = make_path, .fini = remove_path);

static void write_bytes(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	cr_assert_neq(f, NULL);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

Test(pcap_file, what_was_written_is_read_back)
{
	for (int is_ns = 0; is_ns < 2; is_ns++) {
		static const uint64_t times[] = {0, 1700000000123456789u, 1700000000123456790u};
		struct lb_pcap_writer w;
		struct lb_pcap_reader r;
		struct lb_pcap_frame f;
		uint8_t bytes[300], got[300];

		for (uint32_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 7);
		cr_assert_eq(lb_pcap_create(path, is_ns, &w, NULL), 0);
		for (uint32_t i = 0; i < 3; i++)
			cr_assert_eq(lb_pcap_write(&w, times[i], bytes + i, 100 * i, NULL), 0);
		cr_assert_eq(lb_pcap_finish(&w, NULL), 0);
		cr_expect_eq(lb_pcap_finish(&w, NULL), 0, "twice is allowed");

		cr_assert_eq(lb_pcap_open(path, &r, NULL), 0);
		cr_expect_eq(r.is_ns, is_ns);
		for (uint32_t i = 0; i < 3; i++) {
			cr_assert_eq(lb_pcap_read(&r, got, sizeof(got), &f, NULL), 1);
			cr_expect_eq(f.time_ns, is_ns ? times[i] : times[i] / 1000 * 1000);
			cr_expect_eq(f.len, 100 * i);
			cr_expect_eq(f.wire_len, 100 * i);
			cr_expect_eq(memcmp(got, bytes + i, f.len), 0);
		}
		cr_expect_eq(lb_pcap_read(&r, got, sizeof(got), &f, NULL), 0);
		lb_pcap_close(&r);
		lb_pcap_close(&r);
	}
}

Test(pcap_file, captures_of_the_other_byte_order_are_read)
{
	static const uint8_t capture[] = {0xa1, 0xb2, 0xc3, 0xd4, 0, 2,   0,    4,    0,   0, 0,
					  0,    0,    0,    0,    0, 0,   0,    1,    0,   0, 0,
					  0,    1,    0,    0,    0, 5,   0,    0,    0,   9, 0,
					  0,    0,    2,    0,    0, 0x5, 0xdc, 0xab, 0xcd};
	struct lb_pcap_reader r;
	struct lb_pcap_frame f;
	uint8_t got[2];

	write_bytes(capture, sizeof(capture));
	cr_assert_eq(lb_pcap_open(path, &r, NULL), 0);
	cr_assert_eq(lb_pcap_read(&r, got, sizeof(got), &f, NULL), 1);
	cr_expect_eq(f.time_ns, 5000009000);
	cr_expect_eq(f.len, 2);
	cr_expect_eq(f.wire_len, 1500);
	cr_expect_eq(got[1], 0xcd);
	lb_pcap_close(&r);
}

Test(pcap_file, what_is_no_whole_capture_is_refused_with_a_sentence)
{
	static const uint8_t head[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [20] = 1};
	uint8_t capture[64];
	struct lb_error err;
	struct lb_pcap_reader r;
	struct lb_pcap_frame f;
	uint8_t got[8];

	cr_expect_eq(lb_pcap_open("/nowhere/at/all", &r, &err), -ENOENT);
	write_bytes(head, 23);
	cr_expect_eq(lb_pcap_open(path, &r, &err), -EINVAL, "half a header");
	memcpy(capture, head, sizeof(head));
	capture[0] = 0;
	write_bytes(capture, sizeof(head));
	cr_expect_eq(lb_pcap_open(path, &r, &err), -EINVAL, "another magic number");
	cr_expect_neq(strstr(err.what, "classic pcap"), NULL);
	memcpy(capture, head, sizeof(head));
	capture[20] = 113;
	write_bytes(capture, sizeof(head));
	cr_expect_eq(lb_pcap_open(path, &r, &err), -EINVAL, "another link type");

	memcpy(capture, head, sizeof(head));
	memset(capture + 24, 0, 40);
	capture[32] = 4; /* of 4 bytes, in a file that has room for them */
	write_bytes(capture, 30);
	cr_assert_eq(lb_pcap_open(path, &r, &err), 0);
	cr_expect_eq(lb_pcap_read(&r, got, sizeof(got), &f, &err), -EINVAL, "half a record");
	lb_pcap_close(&r);
	write_bytes(capture, 43);
	cr_assert_eq(lb_pcap_open(path, &r, &err), 0);
	cr_expect_eq(lb_pcap_read(&r, got, sizeof(got), &f, &err), -EINVAL, "half a frame");
	lb_pcap_close(&r);
	write_bytes(capture, 44);
	cr_assert_eq(lb_pcap_open(path, &r, &err), 0);
	cr_expect_eq(lb_pcap_read(&r, got, 3, &f, &err), -E2BIG, "no room for it");
	lb_pcap_close(&r);
	cr_expect_eq(lb_pcap_create("/nowhere/at/all", false, &(struct lb_pcap_writer){0}, &err),
		     -ENOENT);
}
