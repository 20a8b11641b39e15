/* What is known of a device's hash: DPDK's net_null keeps a key and an indirection table as a card
 * would, net_ring and others have none. Each test is a process, as EAL starts once in each. */
#include "installation.h"

#include <criterion/criterion.h>
#include <string.h>

static void start(struct installation *in, const struct installation_options *options)
{
	struct lb_error err = {0};

	cr_assert_eq(installation_try(in, options, &err), 0, "%s %s", err.where, err.what);
}

static void expect_replies(struct installation *in, uint32_t iface, const char *text)
{
	struct lb_port_info info;

	cr_assert_eq(lb_dataplane_port_info(in->dp, iface, &info), 0);
	cr_expect_not_null(strstr(info.replies, text), "port %u: %s", iface, info.replies);
}

Test(rss, a_device_that_tells_key_and_table_is_believed, .timeout = 120)
{
	struct installation in;

	start(&in, &(struct installation_options){.device = "vdev:net_null0,no-rx=1",
						  .device2 = "vdev:net_null1,no-rx=1",
						  .n_workers = 2});
	expect_replies(&in, 0, "the device brings them to their owner");
	expect_replies(&in, 0, "table of 128 entries");
	expect_replies(&in, 1, "the device brings them to their owner");
	lb_dataplane_stop(in.dp);
}

Test(rss, a_device_without_a_hash_is_handed_over_beside_one_with_it, .timeout = 120)
{
	struct installation in;

	start(&in, &(struct installation_options){.device = "vdev:net_null0,no-rx=1",
						  .device2 = "vdev:net_ring0",
						  .n_workers = 2});
	expect_replies(&in, 0, "the device brings them to their owner");
	expect_replies(&in, 1, "handed over in software");
	expect_replies(&in, 1, "because the device");
	lb_dataplane_stop(in.dp);
}

Test(rss, one_worker_needs_no_hash, .timeout = 120)
{
	struct installation in;

	start(&in, &(struct installation_options){.device = "vdev:net_null0,no-rx=1"});
	expect_replies(&in, 0, "one worker");
	lb_dataplane_stop(in.dp);
}
