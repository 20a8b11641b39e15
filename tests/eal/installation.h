/* installation.h - a data plane with one service, for tests that boot EAL.
 *
 * Role     starts the data plane on given devices, publishes a fullnat service with two servers,
 *          waits for states, checks the law of accounting
 * Shape    installation_start(&in, ...); installation_publish(&in); installation_await(...)
 * Units    as in dataplane.h
 * Threads  the test's main thread is the control thread
 * Memory   objects live until installation_stop
 * Limits   one per process: EAL cannot be started twice
 * Errors   end the test
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef INSTALLATION_H
#define INSTALLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/dataplane.h"
#include "lb/service.h"

#define INSTALLATION_VIP "192.0.2.10"
#define INSTALLATION_PORT 80u
#define INSTALLATION_REALS 2u /* 192.0.2.11 and .12, MACs 02:00:00:00:01:0b and :0c */
#define INSTALLATION_SEED 1234u

struct installation {
	struct lb_dataplane *dp;
	struct lb_service *service;
	struct lb_route_table *routes;
	struct lb_nat_source *nat_source;
	struct lb_real reals[INSTALLATION_REALS];
	struct lb_next_hop next_hops[INSTALLATION_REALS];
	struct lb_iface iface;
	uint64_t generation;
	enum lb_forwarding forwarding; /* of the service */
	uint16_t mtu;
};

/* What tests change of the parameters; zero is a fit default: one worker on the last core that the
 * process may use, `--no-huge --no-pci`. */
struct installation_options {
	const char *device;  /* "vdev:..." */
	const char *device2; /* NULL: one interface */
	uint32_t n_workers;  /* 0: 1 */
	uint32_t n_connections;
	uint32_t n_records;
	enum lb_forwarding forwarding; /* zero: fullnat */
	uint16_t mtu; /* that the workers believe in, whatever the port is; 0: 1500 */
	bool is_auto; /* no worker cores named */
};

/* Returns what lb_dataplane_start returned. */
int installation_try(struct installation *in, const struct installation_options *options,
		     struct lb_error *err);
void installation_start(struct installation *in, const char *device);

/* Everything of the service as one generation. */
void installation_publish(struct installation *in);

/* Polls until `is_there` says so; the test's own time-out ends what never comes. */
void installation_await(struct installation *in,
			bool (*is_there)(struct installation *in, uint64_t arg), uint64_t arg);
bool installation_is_acked(struct installation *in, uint64_t generation);
bool installation_has_received(struct installation *in, uint64_t n);

/* Sum over the workers. */
uint64_t installation_count(struct installation *in, enum lb_counter counter);

/* Stops the workers and checks each one's accounting. */
void installation_halt(struct installation *in);
void installation_stop(struct installation *in);

#endif
