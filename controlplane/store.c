#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_BASIS UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

struct fingerprint {
	bool exists;
	size_t n;
	uint64_t hash;
};

struct lb_store {
	char path[PATH_MAX];
	char folder[PATH_MAX];
	char name[NAME_MAX + 1];
	char temporary[NAME_MAX + 1];
	bool is_read_only;
	bool is_known; /* `last` says what the file was */
	struct fingerprint last;
	struct fingerprint loaded;
};

static uint64_t hash_add(uint64_t hash, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * HASH_PRIME;
	return hash;
}

static struct fingerprint fingerprint_of(const char *text, size_t n)
{
	return (struct fingerprint){true, n, hash_add(HASH_BASIS, text, n)};
}

static int split_path(struct lb_store *s, struct lb_error *err)
{
	const char *slash = strrchr(s->path, '/');
	const char *name = slash != NULL ? slash + 1 : s->path;
	int n;

	if (slash == NULL)
		snprintf(s->folder, sizeof(s->folder), ".");
	else if (slash == s->path)
		snprintf(s->folder, sizeof(s->folder), "/");
	else
		snprintf(s->folder, sizeof(s->folder), "%.*s", (int)(slash - s->path), s->path);
	if (name[0] == '\0' || strlen(name) > NAME_MAX)
		return lb_error_set(err, -EINVAL, s->path, "this is no usable file name");
	memcpy(s->name, name, strlen(name) + 1);
	/* A fixed name: what a killed writer left is overwritten by the next, not collected. */
	n = snprintf(s->temporary, sizeof(s->temporary), ".%s.ballast-new", s->name);
	if (n < 0 || (size_t)n >= sizeof(s->temporary))
		return lb_error_set(err, -EINVAL, s->path, "the file's name is too long");
	return 0;
}

int lb_store_open(const char *path, bool is_read_only, struct lb_store **out, struct lb_error *err)
{
	struct lb_store *s;
	struct stat st;
	int rc;

	*out = NULL;
	if (strlen(path) >= PATH_MAX)
		return lb_error_set(err, -ENAMETOOLONG, "--config", "the path is too long");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return lb_error_set(err, -ENOMEM, path, "out of memory");
	/* rename() would replace a link instead of the file that it names. A pipe's real path
	 * cannot be opened again. */
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || realpath(path, s->path) == NULL)
		snprintf(s->path, sizeof(s->path), "%s", path);
	s->is_read_only = is_read_only;
	rc = split_path(s, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void lb_store_close(struct lb_store *s)
{
	free(s);
}

static int read_all(int fd, char *text, size_t size, size_t *n)
{
	*n = 0;
	while (*n < size) {
		ssize_t got = read(fd, text + *n, size - *n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		*n += (size_t)got;
	}
	return 0;
}

/* Reads until the end, also when the file grows meanwhile. */
static int read_file(const char *path, char **text, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *block = NULL;
	size_t size = 0, used = 0;
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		rc = -errno;
		goto out;
	}
	rc = -EFBIG;
	if (S_ISDIR(st.st_mode))
		rc = -EISDIR;
	if (rc == -EISDIR || st.st_size > (off_t)LB_STORE_BYTES_MAX)
		goto out;
	size = (size_t)st.st_size;
	do {
		char *more = realloc(block, size + 4097);
		size_t got;

		rc = -ENOMEM;
		if (more == NULL)
			goto out;
		block = more;
		size += 4096;
		rc = read_all(fd, block + used, size - used, &got);
		if (rc < 0)
			goto out;
		used += got;
		rc = used > LB_STORE_BYTES_MAX ? -EFBIG : 0;
	} while (rc == 0 && used == size);
	if (rc < 0)
		goto out;
	block[used] = '\0';
	*text = block;
	*n = used;
	block = NULL;
out:
	free(block);
	close(fd);
	return rc;
}

static const char *sentence(int rc)
{
	return rc == -EFBIG ? "the file is larger than 512 MiB" : strerror(-rc);
}

int lb_store_load(struct lb_store *s, char **text, size_t *n, struct lb_error *err)
{
	int rc = read_file(s->path, text, n);

	if (rc == 0)
		s->loaded = fingerprint_of(*text, *n);
	else if (rc == -ENOENT)
		s->loaded = (struct fingerprint){0};
	return rc == 0 ? 0 : lb_error_set(err, rc, s->path, "%s", sentence(rc));
}

void lb_store_adopt(struct lb_store *s)
{
	s->last = s->loaded;
	s->is_known = true;
}

int lb_store_check(struct lb_store *s, struct lb_error *err)
{
	struct fingerprint now = {0};
	char *text;
	size_t n;
	int rc;

	if (s->is_read_only)
		return lb_error_set(err, -EROFS, s->path, "started with --read-only-config");
	rc = read_file(s->path, &text, &n);
	if (rc == 0) {
		now = fingerprint_of(text, n);
		free(text);
	} else if (rc != -ENOENT) {
		return lb_error_set(err, rc, s->path, "%s", sentence(rc));
	}
	if (s->is_known && now.exists == s->last.exists && now.n == s->last.n &&
	    now.hash == s->last.hash)
		return 0;
	return lb_error_set(err, -ESTALE, s->path,
			    "the file was edited since it was read; send SIGHUP to load it first");
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		text += put;
		n -= (size_t)put;
	}
	return 0;
}

/* The new file gets the old one's mode and owner, or is refused: a secret must not become
 * readable because it was edited. */
static int copy_rights(int folder_fd, const char *name, int fd)
{
	struct stat before, now;

	if (fstatat(folder_fd, name, &before, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &now) < 0)
		return -errno;
	if ((before.st_uid != now.st_uid || before.st_gid != now.st_gid) &&
	    fchown(fd, before.st_uid, before.st_gid) < 0)
		return -errno;
	return fchmod(fd, before.st_mode & 07777) < 0 ? -errno : 0;
}

static int write_temporary(struct lb_store *s, int folder_fd, const char *text, size_t n)
{
	int fd, rc;

	if (unlinkat(folder_fd, s->temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(folder_fd, s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	rc = copy_rights(folder_fd, s->name, fd);
	if (rc == 0)
		rc = write_all(fd, text, n);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

int lb_store_save(struct lb_store *s, const char *text, size_t n, struct lb_error *err)
{
	bool is_renamed = false;
	int folder_fd, rc;

	rc = lb_store_check(s, err);
	if (rc < 0)
		return rc;
	folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return lb_error_set(err, -errno, s->folder, "%s", strerror(errno));
	rc = write_temporary(s, folder_fd, text, n);
	if (rc == 0) {
		is_renamed = renameat(folder_fd, s->temporary, folder_fd, s->name) == 0;
		rc = is_renamed ? 0 : -errno;
	}
	if (rc < 0)
		unlinkat(folder_fd, s->temporary, 0);
	if (is_renamed) {
		s->last = fingerprint_of(text, n);
		/* The new text is in force either way; without this it might not outlive a
		 * power cut, so the caller must not promise it. */
		if (fsync(folder_fd) < 0)
			rc = -errno;
	}
	close(folder_fd);
	if (rc < 0)
		return lb_error_set(err, rc, s->path, "%s", strerror(-rc));
	return 0;
}

const char *lb_store_path(const struct lb_store *s)
{
	return s->path;
}
