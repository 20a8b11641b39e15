#include "runtime/port.h"
#include "runtime/xsk_netdev.h"
#include "steer/fragment_table.h"
#include "steer/rss_map.h"
#include "steer/seeded_hash.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus_pci.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_pci.h>

#define POOL_CACHE 256u
#define RING_DESCS 1024u
#define PAGE_BYTES 4096u
#define DATA_ROOM ((uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE)
#define RSS_KEY_BYTES_MAX 64u
#define RSS_KEYS_MAX 64u
#define RSS_KEY_BITS 9u               /* of the hash: the largest indirection table */
#define RSS_KEY_PLACE 0x7273736b6579u /* apart from what else is made from the seed */
#define LINK_BYTES 26u                /* Ethernet head, two VLAN tags, check sum */

/* AF_XDP: the kernel leaves 256 bytes before each frame, and a frame with mempool and mbuf heads
 * fits a page. A queue may have 2048 mbufs waiting to be filled, as many waiting to be sent and as
 * many sent and not yet taken back. */
#define XSK_HEADROOM_BYTES 256u
#define XSK_DESCS 2048u
#define MBUF_HEADS_BYTES 256u

/* The driver registers (buffers x size of one) with the kernel, which refuses what lies beyond.
 * Buffers that must not cross a page leave gaps unless one fills its page to the last byte. */
#define XSK_DATA_ROOM \
	(PAGE_BYTES - (uint32_t)RTE_CACHE_LINE_SIZE - (uint32_t)sizeof(struct rte_mbuf))

static int complain(const struct lb_port *port, int code, const char *what, struct lb_error *err)
{
	return lb_error_set(err, code, port->where, "%s: %s", port->device, what);
}

static uint32_t pool_size(const struct lb_port *port, uint32_t n_workers)
{
	uint32_t per_worker = POOL_CACHE + POOL_CACHE / 2 + 2 * LB_BURST_MAX + LB_HELD_MAX;
	uint32_t queues = port->kind == LB_PORT_AF_XDP ? port->n_ethdevs_wanted * 3 * XSK_DESCS
						       : n_workers * 2 * RING_DESCS;

	/* What one worker may have waiting at another. */
	if (n_workers > 1)
		per_worker += LB_HAND_OVER_CELLS;
	/* One less than a power of two is what the pool's ring holds without waste. */
	return rte_align32pow2(queues + n_workers * per_worker) - 1;
}

static int plan_af_xdp(struct lb_port *port, struct lb_error *err)
{
	uint32_t largest = PAGE_BYTES - MBUF_HEADS_BYTES - RTE_PKTMBUF_HEADROOM -
			   XSK_HEADROOM_BYTES;
	struct lb_xsk_netdev netdev = {0};
	uint32_t frame;
	int rc;

	rc = lb_xsk_netdev_read(port->args, &netdev);
	if (rc == -ENODEV)
		return complain(port, rc, "there is no such network device in this namespace", err);
	if (rc != 0)
		return complain(port, rc, strerror(-rc), err);
	frame = netdev.mtu + LINK_BYTES;
	if (frame > largest)
		return lb_error_set(err, -EINVAL, port->where,
				    "%s: an MTU of %u is more than AF_XDP carries here: at most %u",
				    port->device, netdev.mtu, largest - LINK_BYTES);
	if (netdev.n_rx_queues > LB_PORT_QUEUES_MAX)
		return lb_error_set(
			err, -EINVAL, port->where,
			"%s: %u receive queues are more than %u: ethtool -L %s combined N",
			port->device, netdev.n_rx_queues, LB_PORT_QUEUES_MAX, port->args);
	port->data_room = (uint16_t)XSK_DATA_ROOM;
	port->n_ethdevs_wanted = netdev.n_rx_queues;
	return 0;
}

int lb_port_plan(struct lb_port *port, const struct lb_dataplane_port *cfg, uint32_t idx,
		 uint32_t n_workers, struct lb_error *err)
{
	struct rte_pci_addr pci;
	int rc = 0;

	memset(port, 0, sizeof(*port));
	snprintf(port->name, sizeof(port->name), "%s", cfg->name);
	snprintf(port->device, sizeof(port->device), "%s", cfg->device);
	snprintf(port->where, sizeof(port->where), "/node/interfaces/%u/device", idx);
	port->idx = idx;
	port->mtu = cfg->mtu;
	port->data_room = (uint16_t)RTE_MAX(
		DATA_ROOM, RTE_ALIGN_CEIL(RTE_PKTMBUF_HEADROOM + cfg->mtu + LINK_BYTES,
					  (uint32_t)RTE_CACHE_LINE_SIZE));
	port->n_ethdevs_wanted = 1;
	if (strncmp(port->device, "af_xdp:", 7) == 0) {
		port->kind = LB_PORT_AF_XDP;
		port->args = port->device + 7;
		rc = plan_af_xdp(port, err);
	} else if (strncmp(port->device, "vdev:", 5) == 0) {
		port->kind = LB_PORT_VDEV;
		port->args = port->device + 5;
	} else if (rte_pci_addr_parse(port->device, &pci) == 0) {
		port->kind = LB_PORT_PCI;
		port->args = port->device;
	} else {
		return complain(port, -EINVAL,
				"a device is af_xdp:INTERFACE, vdev:NAME,OPTIONS or a PCI address "
				"like 0000:03:00.0",
				err);
	}
	port->n_mbufs = pool_size(port, n_workers);
	return rc;
}

const char *lb_port_pci(const struct lb_port *port)
{
	return port->kind == LB_PORT_PCI ? port->args : NULL;
}

uint64_t lb_port_pool_bytes(const struct lb_port *port)
{
	uint32_t mbuf_bytes = (uint32_t)sizeof(struct rte_mbuf) + MBUF_HEADS_BYTES +
			      port->data_room;

	/* Without huge pages the pool lets no mbuf cross a page, and two do not fit one. */
	return (uint64_t)port->n_mbufs * RTE_MAX(PAGE_BYTES, mbuf_bytes);
}

/* A device that EAL's own arguments made already is used as it is. */
static int open_vdev(struct lb_port *port, const char *name, const char *args, struct lb_error *err)
{
	uint16_t id;
	int rc;

	if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
		rc = rte_eal_hotplug_add("vdev", name, args);
		if (rc != 0)
			return lb_error_set(err, -ENODEV, port->where,
					    "%s: DPDK did not make %s (%s); what it wrote above "
					    "says why",
					    port->device, name, rte_strerror(-rc));
		port->is_ours[port->n_ethdevs] = true;
		if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
			rte_eal_hotplug_remove("vdev", name);
			return complain(port, -ENODEV, "this is no network device", err);
		}
	}
	port->ethdevs[port->n_ethdevs++] = id;
	return 0;
}

static int open_af_xdp(struct lb_port *port, struct lb_error *err)
{
	char name[RTE_DEV_NAME_MAX_LEN], args[LB_DEVICE_MAX];
	int rc = 0;

	for (uint32_t q = 0; q < port->n_ethdevs_wanted && rc == 0; q++) {
		snprintf(name, sizeof(name), "net_af_xdp_%u_%u", port->idx, q);
		snprintf(args, sizeof(args), "iface=%s,start_queue=%u,queue_count=1", port->args,
			 q);
		rc = open_vdev(port, name, args, err);
	}
	return rc;
}

int lb_port_open(struct lb_port *port, struct lb_error *err)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	size_t n = strcspn(port->args, ",");
	uint16_t id;

	switch (port->kind) {
	case LB_PORT_AF_XDP:
		return open_af_xdp(port, err);
	case LB_PORT_VDEV:
		if (n == 0 || n >= sizeof(name))
			return complain(port, -EINVAL,
					"the device name after vdev: is too short "
					"or too long",
					err);
		snprintf(name, sizeof(name), "%.*s", (int)n, port->args);
		return open_vdev(port, name, port->args[n] == ',' ? port->args + n + 1 : "", err);
	case LB_PORT_PCI:
		break;
	}
	if (rte_eth_dev_get_port_by_name(port->args, &id) != 0)
		return complain(port, -ENODEV,
				"DPDK found no such network device: bind it to vfio-pci "
				"(dpdk-devbind.py -b vfio-pci ADDRESS)",
				err);
	port->ethdevs[port->n_ethdevs++] = id;
	return 0;
}

uint32_t lb_port_tx_max(const struct lb_port *port)
{
	struct rte_eth_dev_info info;

	if (port->kind == LB_PORT_AF_XDP)
		return port->n_ethdevs < LB_WORKERS_MAX ? port->n_ethdevs : LB_WORKERS_MAX;
	if (rte_eth_dev_info_get(port->ethdevs[0], &info) != 0 || info.max_tx_queues == 0)
		return 1;
	return RTE_MIN(info.max_tx_queues, LB_WORKERS_MAX);
}

/* An AF_XDP netdev has its MTU in the kernel. */
static int limit_mtu(const struct lb_port *port, const struct rte_eth_dev_info *info,
		     struct rte_eth_conf *conf, struct lb_error *err)
{
	if (port->kind == LB_PORT_AF_XDP || port->mtu == 0)
		return 0;
	if (port->mtu > info->max_mtu)
		return lb_error_set(err, -EINVAL, port->where,
				    "%s: an mtu of %u is more than the device carries: at most %u",
				    port->device, port->mtu, info->max_mtu);
	conf->rxmode.mtu = port->mtu;
	return 0;
}

/* All ports get the same key, so that they bring a flow to the same worker, and nobody outside
 * knows it. */
static void set_rss_key(const struct lb_port *port, const struct rte_eth_dev_info *info,
			uint8_t key[RSS_KEY_BYTES_MAX], struct rte_eth_rss_conf *conf)
{
	uint64_t state = port->seed ^ RSS_KEY_PLACE;
	struct lb_toeplitz hash;

	if (info->hash_key_size < LB_TOEPLITZ_KEY_BYTES || info->hash_key_size > RSS_KEY_BYTES_MAX)
		return;
	/* Every second key or so will do. */
	for (uint32_t attempt = 0; attempt < RSS_KEYS_MAX; attempt++) {
		for (uint32_t i = 0; i < info->hash_key_size; i++)
			key[i] = (uint8_t)(lb_hash_mix(state + attempt * RSS_KEY_BYTES_MAX + i) >>
					   56);
		lb_toeplitz_init(&hash, key);
		if (lb_rss_shares_ports(&hash, RSS_KEY_BITS))
			break;
	}
	conf->rss_key = key;
	conf->rss_key_len = info->hash_key_size;
}

static int configure(struct lb_port *port, uint16_t id, uint16_t n_rx, uint16_t n_tx,
		     struct lb_error *err)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint8_t key[RSS_KEY_BYTES_MAX];
	uint16_t n_rxd, n_txd;
	int rc;

	rc = rte_eth_dev_info_get(id, &info);
	if (rc != 0)
		return complain(port, rc, "DPDK says nothing about this device", err);
	if (n_rx > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
						   (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_UDP);
		set_rss_key(port, &info, key, &conf.rx_adv_conf.rss_conf);
	}
	if (port->kind == LB_PORT_VDEV)
		conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	/* The capture driver takes chains and does not say so. */
	port->sends_chains = conf.txmode.offloads != 0 || strcmp(info.driver_name, "net_pcap") == 0;
	rc = limit_mtu(port, &info, &conf, err);
	if (rc != 0)
		return rc;
	rc = rte_eth_dev_configure(id, n_rx, n_tx, &conf);
	if (rc != 0)
		return complain(port, rc,
				port->mtu != 0 ? "the device refuses this number of queues or the "
						 "interface's mtu"
					       : "the device refuses this number of queues",
				err);
	n_rxd = port->kind == LB_PORT_AF_XDP ? XSK_DESCS : RING_DESCS;
	n_txd = n_rxd;
	rte_eth_dev_adjust_nb_rx_tx_desc(id, &n_rxd, &n_txd);
	for (uint16_t q = 0; q < n_rx && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(id, q, n_rxd, rte_eth_dev_socket_id(id), NULL,
					    port->pool);
	for (uint16_t q = 0; q < n_tx && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(id, q, n_txd, rte_eth_dev_socket_id(id), NULL);
	if (rc != 0)
		return complain(port, rc,
				port->kind == LB_PORT_AF_XDP
					? "no AF_XDP socket: it needs CAP_NET_ADMIN, CAP_NET_RAW, "
					  "CAP_BPF and CAP_IPC_LOCK, and our XDP program attached"
					: "the device refuses its queues",
				err);
	return 0;
}

static int start_ethdev(struct lb_port *port, uint16_t id, struct lb_error *err)
{
	int rc = rte_eth_dev_start(id);

	if (rc != 0)
		return complain(port, rc, rte_strerror(-rc), err);
	/* Neighbour discovery is multicast and has to reach the kernel's twin; other kinds of port
	 * receive it anyway. */
	if (port->kind == LB_PORT_PCI)
		(void)rte_eth_allmulticast_enable(id);
	return 0;
}

/* rte_pktmbuf_pool_create() would add lines to each buffer, to spread them over the channels. */
static struct rte_mempool *create_page_pool(const char *name, const struct lb_port *port,
					    int socket)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = port->data_room};
	struct rte_mempool *pool;

	pool = rte_mempool_create_empty(name, port->n_mbufs,
					(unsigned int)sizeof(struct rte_mbuf) + port->data_room,
					POOL_CACHE, sizeof(priv), socket, RTE_MEMPOOL_F_NO_SPREAD);
	if (pool == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_pktmbuf_pool_init(pool, &priv);
	if (rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	assert(rte_mempool_calc_obj_size(pool->elt_size, pool->flags, NULL) == PAGE_BYTES);
	return pool;
}

static int make_pool(struct lb_port *port, struct lb_error *err)
{
	int socket = rte_eth_dev_socket_id(port->ethdevs[0]);
	char name[RTE_MEMPOOL_NAMESIZE], node[48];

	snprintf(name, sizeof(name), "port%u", port->idx);
	if (port->kind == LB_PORT_AF_XDP)
		port->pool = create_page_pool(name, port, socket);
	else
		port->pool = rte_pktmbuf_pool_create(name, port->n_mbufs, POOL_CACHE, 0,
						     port->data_room, socket);
	if (port->pool != NULL)
		return 0;
	snprintf(node, sizeof(node), " on the device's NUMA node %d", socket);
	return lb_error_set(err, -ENOMEM, port->where,
			    "%s: %u packet buffers need %u MiB of DPDK's memory and do not fit: "
			    "give more huge pages%s or -m MIB after --",
			    port->device, port->n_mbufs,
			    (unsigned int)(lb_port_pool_bytes(port) >> 20) + 1,
			    rte_socket_count() > 1 && socket >= 0 ? node : "");
}

static int start_af_xdp(struct lb_port *port, uint32_t n_workers, struct lb_error *err)
{
	int rc = 0;

	for (uint32_t q = 0; q < port->n_ethdevs && rc == 0; q++) {
		port->rx[port->n_rx++] = (struct lb_port_queue){.ethdev = port->ethdevs[q]};
		if (q < n_workers)
			port->tx[port->n_tx++] = (struct lb_port_queue){.ethdev = port->ethdevs[q]};
		rc = configure(port, port->ethdevs[q], 1, 1, err);
		if (rc == 0)
			rc = start_ethdev(port, port->ethdevs[q], err);
	}
	return rc;
}

static int start_one_ethdev(struct lb_port *port, uint32_t n_workers, struct lb_error *err)
{
	uint16_t id = port->ethdevs[0];
	struct rte_eth_dev_info info;
	int rc;

	rc = rte_eth_dev_info_get(id, &info);
	if (rc != 0)
		return complain(port, rc, "DPDK says nothing about this device", err);
	port->n_rx = RTE_MIN(n_workers, RTE_MAX(info.max_rx_queues, 1u));
	port->n_tx = RTE_MIN(n_workers, lb_port_tx_max(port));
	for (uint32_t q = 0; q < port->n_rx; q++)
		port->rx[q] = (struct lb_port_queue){.ethdev = id, .queue = (uint16_t)q};
	for (uint32_t q = 0; q < port->n_tx; q++)
		port->tx[q] = (struct lb_port_queue){.ethdev = id, .queue = (uint16_t)q};
	rc = configure(port, id, (uint16_t)port->n_rx, (uint16_t)port->n_tx, err);
	return rc != 0 ? rc : start_ethdev(port, id, err);
}

int lb_port_start(struct lb_port *port, uint32_t n_workers, struct lb_error *err)
{
	int rc;

	assert(n_workers >= 1 && n_workers <= LB_WORKERS_MAX);
	rc = make_pool(port, err);
	if (rc != 0)
		return rc;
	port->is_started = true;
	if (port->kind == LB_PORT_AF_XDP)
		return start_af_xdp(port, n_workers, err);
	return start_one_ethdev(port, n_workers, err);
}

void lb_port_close(struct lb_port *port)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	while (port->n_ethdevs > 0) {
		uint16_t id = port->ethdevs[--port->n_ethdevs];

		if (rte_eth_dev_get_name_by_port(id, name) != 0)
			continue;
		if (port->is_started)
			(void)rte_eth_dev_stop(id);
		(void)rte_eth_dev_close(id);
		if (port->is_ours[port->n_ethdevs])
			(void)rte_eal_hotplug_remove("vdev", name);
	}
	rte_mempool_free(port->pool);
	port->pool = NULL;
	port->n_rx = 0;
	port->n_tx = 0;
	port->is_started = false;
}
