#include "side.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#define POOL_MBUFS 16383u
#define POOL_CACHE 256u
#define RING_DESCS 1024u

/* EAL numbers the ports that it starts with from 0, and none comes or goes later. */
static int complain(uint16_t port, int rc, const char *what)
{
	fprintf(stderr, "ballast-generator: port %u: %s: %s\n", port, what, rte_strerror(-rc));
	return rc;
}

static int start_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	uint16_t n_rxd = RING_DESCS, n_txd = RING_DESCS;
	int rc;

	rc = rte_eth_dev_configure(port, 1, 1, &conf);
	if (rc != 0)
		return complain(port, rc, "one queue each way");
	rte_eth_dev_adjust_nb_rx_tx_desc(port, &n_rxd, &n_txd);
	rc = rte_eth_rx_queue_setup(port, 0, n_rxd, rte_eth_dev_socket_id(port), NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(port, 0, n_txd, rte_eth_dev_socket_id(port), NULL);
	if (rc != 0)
		return complain(port, rc, "its queues");
	rc = rte_eth_dev_start(port);
	if (rc != 0)
		return complain(port, rc, "start");
	/* The MACs of all servers are ours. */
	(void)rte_eth_promiscuous_enable(port);
	return 0;
}

static int read_mac(const char **macs, uint8_t out[GEN_MAC_BYTES])
{
	char text[RTE_ETHER_ADDR_FMT_SIZE];
	size_t n = strcspn(*macs, ",");

	if (n >= sizeof(text))
		return -EINVAL;
	snprintf(text, sizeof(text), "%.*s", (int)n, *macs);
	*macs += n + ((*macs)[n] == ',');
	return rte_ether_unformat_addr(text, (struct rte_ether_addr *)out) == 0 ? 0 : -EINVAL;
}

static int open_port(struct gen_sides *sides, uint16_t port, uint32_t arms, const char **macs)
{
	struct gen_side *side = &sides->side[sides->n - 1];
	uint8_t mac[GEN_MAC_BYTES] = {2, 0, 0, 3, 0, (uint8_t)port};

	if (sides->n == 0 || side->n_ports == arms) {
		if (sides->n == GEN_SIDES_MAX)
			return complain(port, -ENOSPC, "too many ports");
		side = &sides->side[sides->n++];
	}
	if (*macs != NULL && read_mac(macs, mac) != 0)
		return complain(port, -EINVAL, "--dut-mac needs a MAC for each port");
	memcpy(side->dut_mac[side->n_ports], mac, sizeof(mac));
	side->ports[side->n_ports++] = port;
	return start_port(port, sides->pool);
}

int gen_sides_open(struct gen_sides *sides, uint32_t arms, const char *dut_macs)
{
	uint16_t port, n_ports = rte_eth_dev_count_avail();
	int rc = 0;

	memset(sides, 0, sizeof(*sides));
	sides->pool = rte_pktmbuf_pool_create("generator", POOL_MBUFS, POOL_CACHE, 0,
					      RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (sides->pool == NULL) {
		fprintf(stderr, "ballast-generator: no memory for packets: -m MIB after --\n");
		return -ENOMEM;
	}
	for (port = 0; port < n_ports; port++) {
		rc = open_port(sides, port, arms, &dut_macs);
		if (rc != 0)
			return rc;
	}
	if (sides->n != 0 && sides->side[sides->n - 1].n_ports == arms)
		return 0;
	fprintf(stderr, "ballast-generator: DPDK has no ports, or not %u for each side\n", arms);
	return -ENODEV;
}

int gen_sides_wait(const struct gen_sides *sides, uint32_t ms)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * ms / 1000;
	struct rte_eth_link link;
	uint16_t port, n_ports = rte_eth_dev_count_avail();

	if (sides->n == 0)
		return -ENODEV;
	for (port = 0; port < n_ports; port++) {
		for (;;) {
			if (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status)
				break;
			if (rte_get_timer_cycles() > end)
				return complain(port, -ETIMEDOUT, "no link");
			rte_delay_us_sleep(1000);
		}
	}
	return 0;
}

void gen_sides_close(struct gen_sides *sides)
{
	uint16_t port, n_ports = rte_eth_dev_count_avail();

	for (port = 0; port < n_ports; port++) {
		(void)rte_eth_dev_stop(port);
		(void)rte_eth_dev_close(port);
	}
	rte_mempool_free(sides->pool);
	memset(sides, 0, sizeof(*sides));
}
