#include "clients.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture.h"
#include "installation.h"

/* The file of a test's own folder; the folder goes with the test's end. */
static char folder[] = "/tmp/ballast-eal-XXXXXX";

const char *clients_path(const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", folder, name);
	return path;
}

void clients_make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

void clients_remove_folder(void)
{
	static const char *const names[] = {"in.pcap", "out.pcap", "out2.pcap"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(clients_path(names[i], path));
	rmdir(folder);
}

const char *clients_device(const char *out, char device[LB_DEVICE_MAX])
{
	snprintf(device, LB_DEVICE_MAX, "vdev:net_pcap0,rx_pcap=%s/in.pcap,tx_pcap=%s/%s", folder,
		 folder, out);
	return device;
}

void clients_syn(struct frame *f, uint32_t client)
{
	char src[LB_ADDR_TEXT_MAX];

	snprintf(src, sizeof(src), "198.51.100.%u", 1 + client);
	frame_eth(f);
	frame_ipv4(f, src, INSTALLATION_VIP);
	frame_tcp(f, (uint16_t)(40000 + client), INSTALLATION_PORT, LB_TCP_SYN);
	frame_finish(f);
}

void clients_arp(struct frame *f)
{
	frame_eth(f);
	frame_ethertype(f, 0x0806);
	frame_fill(f, 28);
	frame_pad(f, 60);
}

/* One SYN of each client, then one frame that is the kernel's. */
void clients_write(void)
{
	struct frame f;
	char path[128];
	FILE *file = capture_create(clients_path("in.pcap", path));

	for (uint32_t i = 0; i < CLIENTS_N; i++) {
		clients_syn(&f, i);
		capture_write(file, frame_at(&f, 0), f.len);
	}
	clients_arp(&f);
	capture_write(file, frame_at(&f, 0), f.len);
	fclose(file);
}

/* Every frame sound, from the VIP to a server in turn, each from a port of its own. */
void clients_check(const char *path)
{
	uint32_t n = 0, to[INSTALLATION_REALS] = {0}, len;
	uint8_t ports[65536] = {0};
	FILE *file = capture_open(path);
	uint8_t b[2048];

	while ((len = capture_read(file, b, sizeof(b))) > 0) {
		uint16_t sport = (uint16_t)(b[34] << 8 | b[35]);
		uint32_t real = b[33] - 11u;

		cr_assert(len <= sizeof(b) && frame_verify(b, len) == NULL, "frame %u: %s", n,
			  frame_verify(b, len));
		cr_expect(b[26] == 192 && b[27] == 0 && b[28] == 2 && b[29] == 10, "source");
		cr_assert_lt(real, INSTALLATION_REALS, "destination");
		cr_expect_eq(b[5], 11 + real, "MAC of the server");
		cr_expect_eq(ports[sport]++, 0, "port %u twice", sport);
		to[real]++;
		n++;
	}
	fclose(file);
	cr_expect_eq(n, CLIENTS_N);
	cr_expect_eq(to[0], CLIENTS_N / 2);
	cr_expect_eq(to[1], CLIENTS_N / 2);
}
