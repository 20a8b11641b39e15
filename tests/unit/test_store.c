#include "store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	char folder[64];
	char path[96];
	struct lb_store *store;
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void start(struct fixture *f, bool is_read_only)
{
	struct lb_error err;

	snprintf(f->folder, sizeof(f->folder), "/tmp/ballast-store-XXXXXX");
	cr_assert(mkdtemp(f->folder) != NULL);
	snprintf(f->path, sizeof(f->path), "%s/config.json", f->folder);
	put(f->path, "old");
	cr_assert(lb_store_open(f->path, is_read_only, &f->store, &err) == 0, "%s", err.what);
}

static void stop(struct fixture *f)
{
	char command[128];

	lb_store_close(f->store);
	snprintf(command, sizeof(command), "rm -r '%s'", f->folder);
	cr_expect(system(command) == 0);
}

static bool holds(struct fixture *f, const char *wanted)
{
	struct lb_error err;
	char *text = NULL;
	size_t n;
	bool is_same;

	if (lb_store_load(f->store, &text, &n, &err) < 0)
		return false;
	lb_store_adopt(f->store);
	is_same = n == strlen(wanted) && strcmp(text, wanted) == 0;
	free(text);
	return is_same;
}

Test(store, what_was_saved_is_loaded)
{
	struct fixture f;
	struct lb_error err;

	start(&f, false);
	cr_expect(holds(&f, "old"));
	cr_expect(lb_store_save(f.store, "new text", 8, &err) == 0, "%s", err.what);
	cr_expect(holds(&f, "new text"));
	cr_expect(lb_store_save(f.store, "", 0, &err) == 0, "%s", err.what);
	cr_expect(holds(&f, ""));
	stop(&f);
}

Test(store, mode_and_link_stay)
{
	struct fixture f;
	struct lb_store *by_link;
	struct lb_error err;
	struct stat st;
	char link_path[128], *text;
	size_t n;

	start(&f, false);
	cr_assert(chmod(f.path, 0604) == 0);
	snprintf(link_path, sizeof(link_path), "%s/link.json", f.folder);
	cr_assert(symlink("config.json", link_path) == 0);
	cr_assert(lb_store_open(link_path, false, &by_link, &err) == 0);
	cr_assert(lb_store_load(by_link, &text, &n, &err) == 0);
	lb_store_adopt(by_link);
	free(text);
	cr_expect(lb_store_save(by_link, "through the link", 16, &err) == 0, "%s", err.what);
	cr_expect(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
	cr_expect(stat(f.path, &st) == 0 && (st.st_mode & 07777) == 0604, "%o", st.st_mode);
	cr_expect(holds(&f, "through the link"));
	lb_store_close(by_link);
	stop(&f);
}

Test(store, an_edit_on_disk_is_not_overwritten)
{
	static const struct {
		const char *name, *text;
	} cases[] = {{"longer", "older"}, {"same length", "odd"}, {"emptied", ""}, {"gone", NULL}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		struct lb_error err;
		char *text;
		size_t n;

		start(&f, false);
		cr_assert(holds(&f, "old"));
		if (cases[i].text != NULL)
			put(f.path, cases[i].text);
		else
			unlink(f.path);
		cr_expect(lb_store_save(f.store, "new", 3, &err) == -ESTALE, "case %s",
			  cases[i].name);
		if (lb_store_load(f.store, &text, &n, &err) == 0) {
			cr_expect(cases[i].text != NULL && strcmp(text, cases[i].text) == 0,
				  "case %s", cases[i].name);
			free(text);
		} else {
			cr_expect(cases[i].text == NULL, "case %s", cases[i].name);
		}
		cr_expect(lb_store_save(f.store, "new", 3, &err) == -ESTALE,
			  "case %s: read is not adopted", cases[i].name);
		lb_store_adopt(f.store);
		cr_expect(lb_store_save(f.store, "new", 3, &err) == 0,
			  "case %s: once adopted it may be written", cases[i].name);
		stop(&f);
	}
}

Test(store, what_cannot_be_written_stays)
{
	struct fixture f;
	struct lb_error err;
	char *text;
	size_t n;

	start(&f, true);
	cr_expect(holds(&f, "old"));
	cr_expect(lb_store_save(f.store, "new", 3, &err) == -EROFS);
	cr_expect(holds(&f, "old"));
	lb_store_close(f.store);
	cr_assert(lb_store_open("/nowhere/at/all.json", false, &f.store, &err) == 0);
	cr_expect(lb_store_load(f.store, &text, &n, &err) == -ENOENT);
	lb_store_adopt(f.store);
	cr_expect(lb_store_save(f.store, "new", 3, &err) == -ENOENT);
	stop(&f);
}

/* Versions are distinguishable at any prefix length: number, filler, number. */
static size_t version_text(char *text, size_t size, uint32_t number)
{
	size_t n_fill = 1000 + number * 7919 % 60000;
	int n = snprintf(text, size, "%u %0*d %u\n", number, (int)n_fill, 0, number);

	return (size_t)n;
}

static void keep_saving(struct lb_store *store, _Atomic uint32_t *accepted)
{
	static char text[70000];

	for (uint32_t number = *accepted + 1;; number++) {
		size_t n = version_text(text, sizeof(text), number);

		if (lb_store_save(store, text, n, NULL) < 0)
			_exit(1);
		*accepted = number;
	}
}

Test(store, a_killed_writer_leaves_an_accepted_version)
{
	struct fixture f;
	_Atomic uint32_t *accepted = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static char wanted[70000];
	unsigned int seed = (unsigned int)time(NULL);

	start(&f, false);
	cr_log_info("seed %u", seed);
	for (int round = 0; round < 60; round++) {
		uint32_t wait_for = *accepted + (uint32_t)rand_r(&seed) % 3;
		int n_spins = rand_r(&seed) % 3000000;
		struct lb_error err;
		char *text;
		size_t n;
		uint32_t number;
		int status;
		pid_t pid;

		cr_assert(lb_store_load(f.store, &text, &n, &err) == 0);
		lb_store_adopt(f.store);
		free(text);
		pid = fork();
		if (pid == 0)
			keep_saving(f.store, accepted);
		while (*accepted < wait_for)
			sched_yield();
		/* The moment of death within a save is what is random here. */
		while (n_spins-- > 0)
			atomic_signal_fence(memory_order_seq_cst);
		cr_assert(kill(pid, SIGKILL) == 0);
		cr_assert(waitpid(pid, &status, 0) == pid);
		cr_assert(WIFSIGNALED(status), "round %d: the writer failed", round);
		cr_assert(lb_store_load(f.store, &text, &n, &err) == 0);
		if (*accepted == 0 && strcmp(text, "old") == 0) {
			free(text);
			continue;
		}
		/* What was accepted, or the one after it whose acceptance was not heard of. */
		number = (uint32_t)strtoul(text, NULL, 10);
		cr_expect(number == *accepted || number == *accepted + 1, "round %d: %u after %u",
			  round, number, *accepted);
		version_text(wanted, sizeof(wanted), number);
		cr_expect(strcmp(text, wanted) == 0, "round %d: not whole", round);
		*accepted = number;
		free(text);
	}
	cr_expect(*accepted > 0, "no version was ever accepted");
	stop(&f);
}
