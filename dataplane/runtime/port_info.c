#include "runtime/port.h"
#include "runtime/xsk_netdev.h"

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

/* Zero when the port is not open. */
static void read_mac(const struct lb_port *port, uint8_t mac[6])
{
	struct rte_ether_addr addr = {0};

	if (port->n_ethdevs > 0)
		(void)rte_eth_macaddr_get(port->ethdevs[0], &addr);
	memcpy(mac, addr.addr_bytes, 6);
}

static void add_stats(uint16_t id, struct lb_port_info *out)
{
	struct rte_eth_stats stats;

	if (rte_eth_stats_get(id, &stats) != 0)
		return;
	out->rx_missed += stats.imissed + stats.rx_nombuf;
	out->rx_errors += stats.ierrors;
	out->tx_errors += stats.oerrors;
}

/* None of these is used or needed: checksums are corrected by the difference (decision 0103). */
static void describe_offloads(const struct rte_eth_dev_info *info, char *text, size_t size)
{
	static const struct {
		uint64_t rx, tx;
		const char *word;
	} words[] = {
		{RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, 0, "IPv4 checksum received"},
		{RTE_ETH_RX_OFFLOAD_TCP_CKSUM, 0, "TCP checksum received"},
		{RTE_ETH_RX_OFFLOAD_UDP_CKSUM, 0, "UDP checksum received"},
		{0, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, "IPv4 checksum sent"},
		{0, RTE_ETH_TX_OFFLOAD_TCP_CKSUM, "TCP checksum sent"},
		{0, RTE_ETH_TX_OFFLOAD_UDP_CKSUM, "UDP checksum sent"},
		{RTE_ETH_RX_OFFLOAD_RSS_HASH, 0, "RSS hash"},
	};
	size_t n = 0;

	for (size_t i = 0; i < RTE_DIM(words) && n < size; i++)
		if ((info->rx_offload_capa & words[i].rx) != 0 ||
		    (info->tx_offload_capa & words[i].tx) != 0)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n > 0 ? ", " : "",
					      words[i].word);
}

int lb_port_info(const struct lb_port *port, struct lb_port_info *out)
{
	struct lb_xsk_netdev netdev;
	struct rte_eth_dev_info info;
	struct rte_eth_link link = {0};
	int rc;

	memset(out, 0, sizeof(*out));
	rc = rte_eth_dev_info_get(port->ethdevs[0], &info);
	if (rc != 0)
		return rc;
	snprintf(out->driver, sizeof(out->driver), "%s", info.driver_name);
	read_mac(port, out->mac);
	(void)rte_eth_dev_get_mtu(port->ethdevs[0], &out->mtu);
	if (port->kind == LB_PORT_AF_XDP && lb_xsk_netdev_read(port->args, &netdev) == 0)
		out->mtu = (uint16_t)netdev.mtu;
	if (rte_eth_link_get_nowait(port->ethdevs[0], &link) == 0)
		out->link_up = link.link_status == RTE_ETH_LINK_UP;
	if (out->link_up && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		out->link_mbps = link.link_speed;
	out->numa_node = rte_eth_dev_socket_id(port->ethdevs[0]);
	describe_offloads(&info, out->offloads, sizeof(out->offloads));
	out->n_rx_queues = port->n_rx;
	out->n_tx_queues = port->n_tx;
	for (uint32_t i = 0; i < port->n_ethdevs; i++)
		add_stats(port->ethdevs[i], out);
	return 0;
}
