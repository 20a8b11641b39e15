/* config.h - the validated configuration: what the installation should be.
 *
 * Role     the document of DESIGN 5 as plain data, defaults filled in, ranges and references
 *          checked; what the control plane reconciles with health and the workers' sizes come from
 * Shape    arrays in document order; references between objects are indexes into them
 * Units    suffixes say them; ports in host order
 * Threads  built on any thread, immutable afterwards; owned by control
 * Memory   one owner; lb_config_free releases everything (controlplane/config)
 * Limits   include/lb/limits.h and controlplane/api/openapi.yaml
 * Errors   made only by controlplane/config, which reports every error with its JSON Pointer
 * Tests    tests/unit/test_config.c, configs/, configs/bad/
 */
#ifndef LB_CONFIG_H
#define LB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/limits.h"
#include "lb/service.h"

#define LB_CFG_IFACE_ADDRS_MAX 16u
#define LB_CFG_MONITORS_PER_POOL_MAX 8u
#define LB_CFG_NONE UINT32_MAX /* an index that refers to nothing */

enum lb_admin_state {
	LB_ADMIN_ENABLED,
	LB_ADMIN_DRAIN,	   /* connections and records hold, no new clients */
	LB_ADMIN_DISABLED, /* connections hold */
};

enum lb_monitor_type {
	LB_MONITOR_TCP,
	LB_MONITOR_ICMP,
};

enum lb_advertise {
	LB_ADVERTISE_INTERFACE, /* Ballast puts the VIP on the netdev */
	LB_ADVERTISE_NONE,
};

enum lb_tracking {
	LB_TRACKING_CONNECTIONS,
	LB_TRACKING_NONE, /* entries only where the table would lead elsewhere */
};

struct lb_cfg_interface {
	char name[LB_NAME_MAX];
	char device[LB_DEVICE_MAX]; /* af_xdp:IFNAME, vdev:STRING or a PCI address */
	char twin[LB_NETDEV_MAX];   /* its netdev, made by us; empty: none, or af_xdp has one */
	uint32_t port;		     /* index of the first interface with this device */
	uint32_t tags;		     /* lb/vlan.h; 0: untagged */
	uint16_t mtu;		     /* 0: the device's own */
	struct lb_prefix addresses[LB_CFG_IFACE_ADDRS_MAX];
	uint32_t n_addresses;
	struct lb_addr gateway;	     /* all zero: none */
	struct lb_addr gateway_ipv6; /* all zero: none */
	struct lb_addr tunnel_source[2]; /* of IPv4 and of IPv6 tunnels; all zero: none */
};

struct lb_cfg_neighbor {
	struct lb_addr address;
	uint8_t mac[6];
	uint32_t interface; /* index */
};

struct lb_cfg_node {
	struct lb_cfg_interface interfaces[LB_IFACES_MAX];
	uint32_t n_interfaces;
	struct lb_cfg_neighbor *neighbors;
	uint32_t n_neighbors;
	uint32_t workers[LB_WORKERS_MAX]; /* cores */
	uint32_t n_workers;		  /* 0: "auto" */
	uint32_t connections;		  /* limit, all workers together */
	uint32_t persistence_records;	  /* limit, the process */
	bool has_api;
	char api_socket[108]; /* empty: none */
	struct lb_addr api_listen_addr;
	uint16_t api_listen_port; /* 0: no TCP port */
};

struct lb_cfg_nat_source {
	char name[LB_NAME_MAX];
	struct lb_addr addresses[LB_NAT_ADDRS_MAX];
	uint32_t n_addresses;
	struct lb_port_range ports;
};

struct lb_cfg_group {
	char name[LB_NAME_MAX]; /* of an inline one: "service:NAME" */
	uint32_t timeout_s;
	uint8_t ipv4_prefix;
	uint8_t ipv6_prefix;
};

struct lb_cfg_monitor {
	char name[LB_NAME_MAX]; /* of an inline one: "pool:NAME:INDEX" */
	enum lb_monitor_type type;
	uint16_t port; /* tcp: 0 probes each port that the pool's services use */
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;
	uint32_t jitter_percent; /* of the interval, spread over each probe */
	bool probes_vip; /* also by the way of clients' packets, if servers answer them directly */
};

struct lb_cfg_real {
	char name[LB_NAME_MAX];
	struct lb_addr address;
	uint16_t port; /* 0: keeps the client's */
	uint32_t weight;
	uint32_t priority; /* lower goes first */
	enum lb_admin_state admin_state;
};

struct lb_cfg_pool {
	char name[LB_NAME_MAX]; /* of an inline list: "service:NAME" */
	bool is_inline;
	uint32_t monitors[LB_CFG_MONITORS_PER_POOL_MAX]; /* indexes */
	uint32_t n_monitors;
	struct lb_cfg_real *reals;
	uint32_t n_reals;
};

struct lb_cfg_service {
	char name[LB_NAME_MAX];
	struct lb_addr address;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct lb_port_range ports[LB_SERVICE_PORTS_MAX];
	uint32_t n_ports;
	uint32_t pool;	     /* index */
	uint32_t nat_source; /* index, LB_CFG_NONE: its own VIP (fullnat) or not used (nat) */
	uint32_t group;	     /* index, LB_CFG_NONE: no persistence */
	enum lb_forwarding forwarding;
	enum lb_scheduler scheduler;
	uint32_t maglev_table_size; /* at least; 0: by the number of servers */
	enum lb_tracking tracking;
	uint32_t settle_time_s;
	uint32_t table; /* index, LB_CFG_NONE: no server has a weight; maglev and source_hash */
	enum lb_no_server_action no_server_action;
	enum lb_server_down_action server_down_action;
	uint32_t server_down_drain_s;
	enum lb_advertise advertise;
	uint32_t idle_timeout_s;
	uint32_t max_connections;	    /* 0: no limit */
	uint32_t max_new_connections_per_s; /* 0: no limit */
	uint16_t gue_port;
	uint16_t mss_clamp; /* 0: none; LB_MSS_CLAMP_AUTO */
};

struct lb_config {
	struct lb_cfg_node node;
	struct lb_cfg_nat_source *nat_sources;
	uint32_t n_nat_sources;
	struct lb_cfg_group *groups;
	uint32_t n_groups;
	struct lb_cfg_monitor *monitors;
	uint32_t n_monitors;
	struct lb_cfg_pool *pools;
	uint32_t n_pools;
	struct lb_cfg_service *services;
	uint32_t n_services;
	struct lb_maglev **tables; /* each differs from the others; sorted by content */
	uint32_t n_tables;
	struct lb_huge_blocks *table_blocks; /* where tables live, those of the configuration before
						as well; NULL: on the heap */
	/* Hashes of the document without `node` and of `node`, for the ETag "S-N". */
	uint64_t hash_shared;
	uint64_t hash_node;
};

/* NULL is allowed. */
void lb_config_free(struct lb_config *cfg);

#endif
