#include "xsk.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define FRAMES 64u
#define FRAME_BYTES 4096u

struct xsk {
	void *memory;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons done;
	struct xsk_ring_cons rx;
};

struct xsk *xsk_open(const char *netdev, uint32_t queue)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_BYTES};
	const struct xsk_socket_config config = {.rx_size = FRAMES};
	struct xsk *xsk = calloc(1, sizeof(*xsk));
	uint32_t at;

	xsk->memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), FRAMES * FRAME_BYTES);
	cr_assert_eq(xsk_umem__create(&xsk->umem, xsk->memory, FRAMES * FRAME_BYTES, &xsk->fill,
				      &xsk->done, &umem_config),
		     0);
	cr_assert_eq(
		xsk_socket__create(&xsk->socket, netdev, queue, xsk->umem, &xsk->rx, NULL, &config),
		0, "libxdp refused the socket on %s", netdev);
	cr_assert_eq(xsk_ring_prod__reserve(&xsk->fill, FRAMES, &at), FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, at + i) = i * FRAME_BYTES;
	xsk_ring_prod__submit(&xsk->fill, FRAMES);
	return xsk;
}

void xsk_close(struct xsk *xsk)
{
	xsk_socket__delete(xsk->socket);
	xsk_umem__delete(xsk->umem);
	free(xsk->memory);
	free(xsk);
}

size_t xsk_receive(struct xsk *xsk, uint8_t *frame, size_t size, int timeout_ms)
{
	struct pollfd fd = {.fd = xsk_socket__fd(xsk->socket), .events = POLLIN};
	const struct xdp_desc *desc;
	uint32_t at;
	size_t len;

	if (xsk_ring_cons__peek(&xsk->rx, 1, &at) == 0) {
		if (poll(&fd, 1, timeout_ms) <= 0 || xsk_ring_cons__peek(&xsk->rx, 1, &at) == 0)
			return 0;
	}
	desc = xsk_ring_cons__rx_desc(&xsk->rx, at);
	len = desc->len;
	cr_assert_leq(len, size);
	memcpy(frame, xsk_umem__get_data(xsk->memory, desc->addr), len);
	xsk_ring_cons__release(&xsk->rx, 1);
	return len;
}
