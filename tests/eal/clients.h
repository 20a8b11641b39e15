/* clients.h - a capture of clients that come to the installation's service, and its output.
 *
 * Role     writes the input of net_pcap, names the device, judges what the data plane wrote
 * Shape    a folder of the test's own in /tmp, removed when the test has passed
 * Units    client i is 198.51.100.(1 + i), port 40000 + i
 * Threads  one
 * Memory   one folder per process
 * Limits   CLIENTS_N clients
 * Errors   end the test
 * Tests    used by tests/eal
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "frame.h"
#include "lb/limits.h"

#define CLIENTS_N 200u

void clients_make_folder(void);
void clients_remove_folder(void);
const char *clients_path(const char *name, char path[128]);

/* vdev: and net_pcap from in.pcap to `out`, both in the folder. */
const char *clients_device(const char *out, char device[LB_DEVICE_MAX]);

void clients_syn(struct frame *f, uint32_t client);
void clients_arp(struct frame *f);

/* in.pcap: one SYN of each client, then one frame that is the kernel's. */
void clients_write(void);

/* Every frame sound, from the VIP to the servers evenly, each from a port of its own. */
void clients_check(const char *path);

#endif
