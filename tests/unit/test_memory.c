#include "runtime/memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

Test(memory, blocks_are_zero_and_cost_nothing_until_touched)
{
	size_t bytes = (size_t)1 << 40; /* more than the machine has */
	uint8_t *mem = lb_memory_map(bytes);

	cr_assert_not_null(mem);
	cr_expect(mem[0] == 0 && mem[bytes - 1] == 0);
	cr_expect_eq((uintptr_t)mem % 128, 0);
	lb_memory_unmap(mem, bytes);
	lb_memory_unmap(NULL, 0);
}

Test(memory, the_machine_says_what_it_has)
{
	uint64_t available = lb_memory_available();

	cr_expect(available > 0 && available < UINT64_MAX);
}

Test(memory, limits_that_do_not_fit_are_refused_by_name)
{
	struct lb_error err = {0};

	cr_expect_eq(lb_memory_check("/node/limits/connections", 10, 1000, 1000, &err), 0);
	cr_expect_eq(lb_memory_check("/node/limits/connections", UINT64_C(1) << 30,
				     UINT64_C(1) << 37, UINT64_C(1) << 34, &err),
		     -ENOMEM);
	cr_expect_str_eq(err.where, "/node/limits/connections");
	cr_expect_str_eq(err.what, "1073741824 need 131072 MiB and this machine has 16384 MiB "
				   "available; about 134217728 fit");
}
