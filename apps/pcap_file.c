#include "pcap_file.h"

#include <errno.h>
#include <string.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define LINK_ETHERNET 1u

struct file_header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t snap_len;
	uint32_t link;
};
_Static_assert(sizeof(struct file_header) == 24, "as in the file");

struct record_header {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t len;
	uint32_t wire_len;
};
_Static_assert(sizeof(struct record_header) == 16, "as in the file");

static uint32_t word(const struct lb_pcap_reader *r, uint32_t raw)
{
	return r->is_swapped ? __builtin_bswap32(raw) : raw;
}

static int read_header(struct lb_pcap_reader *r, struct lb_error *err)
{
	struct file_header h;

	if (fread(&h, sizeof(h), 1, r->file) != 1)
		return lb_error_set(err, -EINVAL, r->name, "shorter than a capture's header");
	r->is_swapped = h.magic == __builtin_bswap32(MAGIC_US) ||
			h.magic == __builtin_bswap32(MAGIC_NS);
	h.magic = word(r, h.magic);
	if (h.magic != MAGIC_US && h.magic != MAGIC_NS)
		return lb_error_set(err, -EINVAL, r->name,
				    "no capture in the classic pcap format (pcapng is not read)");
	r->is_ns = h.magic == MAGIC_NS;
	/* The upper bits are about frame check sequences, which few captures have. */
	if ((word(r, h.link) & 0xffffu) != LINK_ETHERNET)
		return lb_error_set(err, -EINVAL, r->name, "link type %u is not Ethernet",
				    word(r, h.link));
	return 0;
}

int lb_pcap_open(const char *name, struct lb_pcap_reader *r, struct lb_error *err)
{
	int rc;

	*r = (struct lb_pcap_reader){.file = fopen(name, "rb"), .name = name};
	if (r->file == NULL)
		return lb_error_set(err, -errno, name, "cannot be read: %s", strerror(errno));
	rc = read_header(r, err);
	if (rc != 0)
		lb_pcap_close(r);
	return rc;
}

int lb_pcap_read(struct lb_pcap_reader *r, uint8_t *bytes, uint32_t size, struct lb_pcap_frame *out,
		 struct lb_error *err)
{
	struct record_header h;
	size_t n = fread(&h, 1, sizeof(h), r->file);

	if (n == 0 && feof(r->file))
		return 0;
	if (n != sizeof(h))
		return lb_error_set(err, -EINVAL, r->name, "ends within the header of frame %llu",
				    (unsigned long long)r->n_frames + 1);
	out->len = word(r, h.len);
	out->wire_len = word(r, h.wire_len);
	out->time_ns = word(r, h.seconds) * UINT64_C(1000000000) +
		       word(r, h.fraction) * (r->is_ns ? UINT64_C(1) : UINT64_C(1000));
	if (out->len > size)
		return lb_error_set(err, -E2BIG, r->name,
				    "frame %llu has %u bytes, at most %u are read",
				    (unsigned long long)r->n_frames + 1, out->len, size);
	if (fread(bytes, 1, out->len, r->file) != out->len)
		return lb_error_set(err, -EINVAL, r->name, "ends within frame %llu",
				    (unsigned long long)r->n_frames + 1);
	r->n_frames++;
	return 1;
}

void lb_pcap_close(struct lb_pcap_reader *r)
{
	if (r->file != NULL)
		fclose(r->file);
	r->file = NULL;
}

static int cannot_write(const struct lb_pcap_writer *w, struct lb_error *err)
{
	int code = errno != 0 ? errno : EIO;

	return lb_error_set(err, -code, w->name, "cannot be written: %s", strerror(code));
}

int lb_pcap_create(const char *name, bool is_ns, struct lb_pcap_writer *w, struct lb_error *err)
{
	struct file_header h = {.magic = is_ns ? MAGIC_NS : MAGIC_US,
				.major = 2,
				.minor = 4,
				.snap_len = LB_PCAP_FRAME_MAX,
				.link = LINK_ETHERNET};

	*w = (struct lb_pcap_writer){.file = fopen(name, "wb"), .name = name, .is_ns = is_ns};
	if (w->file == NULL || fwrite(&h, sizeof(h), 1, w->file) != 1)
		return cannot_write(w, err);
	return 0;
}

int lb_pcap_write(struct lb_pcap_writer *w, uint64_t time_ns, const uint8_t *bytes, uint32_t len,
		  struct lb_error *err)
{
	struct record_header h = {.seconds = (uint32_t)(time_ns / 1000000000u),
				  .fraction = (uint32_t)(time_ns % 1000000000u),
				  .len = len,
				  .wire_len = len};

	if (!w->is_ns)
		h.fraction /= 1000;
	if (fwrite(&h, sizeof(h), 1, w->file) != 1 || fwrite(bytes, 1, len, w->file) != len)
		return cannot_write(w, err);
	return 0;
}

int lb_pcap_finish(struct lb_pcap_writer *w, struct lb_error *err)
{
	int rc = 0;

	if (w->file != NULL && fclose(w->file) != 0)
		rc = cannot_write(w, err);
	w->file = NULL;
	return rc;
}
