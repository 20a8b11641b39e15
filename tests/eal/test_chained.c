/* Frames of up to 9000 bytes through a port whose buffers hold 2048: net_pcap receives them as
 * chains, every mode sends them on, and not a byte of their payload has changed. And chains that no
 * driver would make, cut in any way, through the view and back. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "clients.h"
#include "installation.h"
#include "random.h"
#include "runtime/mbuf_view.h"

#include <rte_mempool.h>

#define HEAD_BYTES 54u
#define FRAME_MAX (14u + 9000u)
#define N_SIZES 40u

/* A segment of client 0 with `n` bytes of data. */
static uint32_t build(uint8_t *b, uint8_t flags, uint32_t n)
{
	uint16_t start = (uint16_t)(6 + 20 + n), sum;
	struct frame f;

	frame_eth(&f);
	frame_ipv4(&f, "198.51.100.1", INSTALLATION_VIP);
	frame_tcp(&f, 40000, INSTALLATION_PORT, flags);
	frame_put16(&f, 16, (uint16_t)(40 + n));
	frame_put16(&f, 24, 0);
	frame_put16(&f, 24, (uint16_t)~frame_sum(frame_at(&f, 14), 20, 0));
	frame_put16(&f, 50, 0);
	memcpy(b, frame_at(&f, 0), HEAD_BYTES);
	for (uint32_t i = 0; i < n; i++)
		b[HEAD_BYTES + i] = (uint8_t)(i * 31 + n);
	sum = (uint16_t)~frame_sum(b + 34, 20 + n, frame_sum(b + 26, 8, start));
	b[50] = (uint8_t)(sum >> 8);
	b[51] = (uint8_t)sum;
	return HEAD_BYTES + n;
}

static uint32_t data_bytes(uint32_t i)
{
	return i == 0 ? 0 : 1400 + (i - 1) * (FRAME_MAX - HEAD_BYTES - 100 - 1400) / (N_SIZES - 2);
}

static void write_frames(void)
{
	static uint8_t b[FRAME_MAX + 1];
	char path[128];
	FILE *file = capture_create(clients_path("in.pcap", path));

	for (uint32_t i = 0; i < N_SIZES; i++) {
		uint32_t len = build(b, i == 0 ? LB_TCP_SYN : LB_TCP_ACK, data_bytes(i));

		cr_assert_null(frame_verify(b, len), "%s", frame_verify(b, len));
		capture_write(file, b, len);
	}
	/* More than the way carries, and one for the kernel. */
	capture_write(file, b, build(b, LB_TCP_ACK, FRAME_MAX - HEAD_BYTES + 1));
	b[12] = 0x08;
	b[13] = 0x06;
	capture_write(file, b, FRAME_MAX);
	fclose(file);
}

/* What came out; `n_outer`: bytes in front of the client's IP packet. */
static void check_frames(enum lb_forwarding forwarding, uint32_t n_outer)
{
	static uint8_t b[FRAME_MAX + 100], want[FRAME_MAX];
	char path[128];
	FILE *file = capture_open(clients_path("out.pcap", path));

	for (uint32_t i = 0; i < N_SIZES; i++) {
		uint32_t len = capture_read(file, b, sizeof(b)), n = data_bytes(i);
		uint32_t n_want = build(want, i == 0 ? LB_TCP_SYN : LB_TCP_ACK, n);

		cr_assert_eq(len, n_outer + n_want, "mode %d frame %u: %u", forwarding, i, len);
		cr_expect_null(frame_verify(b, len), "mode %d frame %u: %s", forwarding, i,
			       frame_verify(b, len));
		cr_expect(memcmp(b + len - n, want + n_want - n, n) == 0, "mode %d frame %u",
			  forwarding, i);
		if (forwarding >= LB_FORWARD_DSR)
			cr_expect(memcmp(b + n_outer + 14, want + 14, n_want - 14) == 0,
				  "mode %d frame %u: the packet", forwarding, i);
	}
	/* The answer to what was too large quotes 548 bytes, and is one buffer. */
	cr_expect_eq(capture_read(file, b, sizeof(b)), 14u + 576u);
	cr_expect(b[34] == 3 && b[35] == 4, "%u %u", b[34], b[35]);
	cr_expect_null(frame_verify(b, 14 + 576));
	cr_expect_eq(capture_read(file, b, sizeof(b)), 0);
	fclose(file);
}

static void run_mode(enum lb_forwarding forwarding, uint32_t n_outer)
{
	static uint8_t punted[16384];
	char device[LB_DEVICE_MAX];
	struct installation_options options = {.forwarding = forwarding};
	struct installation in;
	struct lb_error err = {0};
	uint32_t iface;

	clients_make_folder();
	write_frames();
	options.device = clients_device("out.pcap", device);
	options.mtu = 9000;
	cr_assert_eq(installation_try(&in, &options, &err), 0, "%s", err.what);
	installation_publish(&in);
	installation_await(&in, installation_has_received, N_SIZES + 2);
	installation_halt(&in);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), N_SIZES + 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_too_big), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_punted), 1);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, sizeof(punted)), FRAME_MAX);
	cr_expect_eq(punted[FRAME_MAX - 1],
		     (uint8_t)((FRAME_MAX - HEAD_BYTES - 1) * 31 + FRAME_MAX - HEAD_BYTES + 1));
	installation_stop(&in);
	check_frames(forwarding, n_outer);
	clients_remove_folder();
}

Test(chained, fullnat, .timeout = 60)
{
	run_mode(LB_FORWARD_FULLNAT, 0);
}

Test(chained, nat, .timeout = 60)
{
	run_mode(LB_FORWARD_NAT, 0);
}

Test(chained, dsr, .timeout = 60)
{
	run_mode(LB_FORWARD_DSR, 0);
}

Test(chained, ipip, .timeout = 60)
{
	run_mode(LB_FORWARD_IPIP, 20);
}

Test(chained, gue, .timeout = 60)
{
	run_mode(LB_FORWARD_GUE, 28);
}

/* --- any chain, through the view and back --- */

#define POOL_N 511u
#define BYTES_MAX 9000u
#define SEGMENT_MAX 1700u

/* `n` bytes in segments of any size that begin anywhere in their buffers. */
static struct rte_mbuf *chain(struct rte_mempool *pool, struct test_random *r, const uint8_t *bytes,
			      uint32_t n)
{
	uint32_t size = 100 + test_random_below(r, SEGMENT_MAX - 100), done = 0;
	struct rte_mbuf *first = NULL, *last = NULL;

	while (done < n) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t k = RTE_MIN(n - done, 1 + test_random_below(r, size));

		cr_assert_not_null(m);
		if (first != NULL)
			m->data_off = (uint16_t)test_random_below(r, 200);
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), bytes + done, k);
		m->data_len = (uint16_t)k;
		done += k;
		if (first == NULL)
			first = m;
		else
			last->next = m;
		last = m;
		first->nb_segs = (uint16_t)(first == m ? 1 : first->nb_segs + 1);
		first->pkt_len = done;
	}
	return first;
}

static void expect_view(const struct lb_pkt *p, const uint8_t *bytes, uint32_t n)
{
	uint32_t at = p->len;

	cr_assert_eq(lb_pkt_bytes(p), n);
	cr_assert(p->len >= RTE_MIN(n, LB_CONTIGUOUS_MIN));
	cr_assert_eq(memcmp(p->data, bytes, p->len), 0);
	for (const struct lb_part *part = p->parts; at < n; at += part++->len)
		cr_assert_eq(memcmp(part->data, bytes + at, part->len), 0);
	cr_assert_eq(at, n);
}

/* The frame begins `front` bytes earlier and is cut to `n` bytes. */
static void edit(struct lb_pkt *p, uint32_t front, uint32_t n)
{
	p->data -= front;
	p->len += front;
	memset(p->data, 0xee, front);
	p->rest = n > p->len ? n - p->len : 0;
	p->len = n - p->rest;
}

static void run_chain(struct rte_mempool *pool, struct test_random *r, uint32_t *n_refused)
{
	static uint8_t bytes[BYTES_MAX], want[BYTES_MAX + 100], got[BYTES_MAX + 100];
	uint32_t n = 1 + test_random_below(r, BYTES_MAX), front = test_random_below(r, 60), kept;
	struct lb_part parts[LB_PARTS_MAX];
	struct rte_mbuf *m;
	struct lb_pkt p;

	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)test_random_word(r);
	m = chain(pool, r, bytes, n);
	if (!lb_view_make(m, 0, parts, &p)) {
		cr_assert_gt(m->nb_segs, LB_PARTS_MAX);
		++*n_refused;
		rte_pktmbuf_free(m);
		return;
	}
	expect_view(&p, bytes, n);
	kept = 1 + test_random_below(r, front + n);
	memset(want, 0xee, front);
	memcpy(want + front, bytes, n);
	edit(&p, front, kept);
	lb_view_commit(&p, m);
	rte_mbuf_sanity_check(m, 1);
	cr_assert_eq(m->pkt_len, kept);
	cr_assert_eq(memcmp(rte_pktmbuf_read(m, 0, kept, got), want, kept), 0);
	rte_pktmbuf_free(m);
}

Test(chained, any_chain_comes_through_the_view_as_it_is, .timeout = 120)
{
	struct test_random r = {test_seed("chained")};
	struct rte_mempool *pool;
	struct installation in;
	uint32_t n_refused = 0;

	installation_start(&in, "vdev:net_null0");
	pool = rte_pktmbuf_pool_create("chains", POOL_N, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	cr_assert_not_null(pool);
	for (uint32_t round = 0; round < 3000; round++) {
		run_chain(pool, &r, &n_refused);
		cr_assert_eq(rte_mempool_avail_count(pool), POOL_N, "round %u", round);
	}
	cr_expect(n_refused > 10 && n_refused < 2000, "%u", n_refused);
	installation_stop(&in);
}
