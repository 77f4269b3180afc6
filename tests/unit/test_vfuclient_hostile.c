/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that violates the protocol while a device is opened: each wrong reply is refused with an
 * error message, and nothing is left. tests/unit/test_vfuclient_end.c has the open device.
 */
#include "vfu_rig.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct device *dev;

/* The reply that replaces the right one. */
static struct attack {
	enum vfuser_command command;
	int index;	 /* of a region or of interrupts; -1: any */
	int add_id;	 /* to the id of the reply */
	u16 reply_to;	 /* the command; 0: the right one */
	u32 flags;	 /* in addition to VFUSER_REPLY */
	u32 error, size; /* size 0: the right one */
	const void *payload;
	u32 payload_size;
	const int *fds;
	u32 n_fds;
	bool twice, close;
} attack;

static bool is_attacked(const struct vfuser_message *m)
{
	u32 index = 0;

	if (m->head.command != attack.command)
		return false;
	if (attack.index < 0 ||
	    (m->head.command != VFUSER_REGION_INFO && m->head.command != VFUSER_IRQ_INFO))
		return true;
	memcpy(&index, (const u8 *)m->data + 8, sizeof(index)); /* after argsz and flags */
	return index == (u32)attack.index;
}

static bool reply_wrongly(struct rig_conn *c, const struct vfuser_message *m)
{
	u8 bytes[8192];
	u32 size = sizeof(struct vfuser_header) + attack.payload_size;
	struct vfuser_header head = {.id = (u16)(m->head.id + attack.add_id),
				     .command = attack.reply_to ? attack.reply_to : m->head.command,
				     .size = attack.size ? attack.size : size,
				     .flags = VFUSER_REPLY | attack.flags,
				     .error = attack.error};

	if (!is_attacked(m))
		return false;
	memcpy(bytes, &head, sizeof(head));
	if (attack.payload_size)
		memcpy(bytes + sizeof(head), attack.payload, attack.payload_size);
	rig_raw(c, bytes, size, attack.fds, attack.n_fds);
	if (attack.twice)
		rig_raw(c, bytes, size, NULL, 0);
	if (attack.close)
		rig_kill(c);
	return true;
}

static void attack_with(const struct attack *a)
{
	rig_lock();
	attack = *a;
	rig.hook = a->command ? reply_wrongly : NULL;
	rig_unlock();
}

static void opens(const struct attack *a)
{
	attack_with(a);
	dev = dmamap_open(rig_spec(",timeout=2"));
	if (!dev)
		fail_msg("%s", dmamap_strerror());
	dmamap_close(dev);
}

static void refuses(const struct attack *a, int err, const char *word)
{
	attack_with(a);
	dev = dmamap_open(rig_spec(",timeout=2"));
	if (dev || errno != err || !strstr(dmamap_strerror(), word))
		fail_msg("command %u: %d (%s), not %d (%s)", a->command, errno, dmamap_strerror(),
			 err, word);
	rig_wait_closed();
	assert_int_equal(rig_fds(), rig.fds_before);
}

static const struct vfuser_device_info pci = {sizeof(pci), VFUSER_DEVICE_PCI, 9, 5};

/* Every field of the header, for an early and a late request. */
static void test_headers(void **state)
{
	static const struct {
		struct attack a;
		const char *word;
	} c[] = {
		{{.add_id = 1}, "another request"},
		{{.add_id = -1}, "another request"},
		{{.reply_to = VFUSER_RESET}, "another request"},
		{{.flags = 64}, "flags"},
		{{.flags = VFUSER_NO_REPLY}, "flags"},
		{{.flags = 2}, "flags"},
		{{.flags = VFUSER_ERROR, .error = EINVAL}, "payload"},
		{{.size = 15}, "header"},
		{{.size = 1}, "header"},
		{{.size = ~0u}, "at most"},
		{{.size = 100000}, "at most"},
		{{.size = 33}, "in time"},
		{{.size = 40, .close = true}, "closed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct attack a = c[i].a;

		a.command = VFUSER_DEVICE_INFO;
		a.payload = &pci;
		a.payload_size = sizeof(pci);
		refuses(&a, EIO, c[i].word);
	}
}

static void test_sizes(void **state)
{
	static const u8 zeros[4096];
	static const struct {
		enum vfuser_command command;
		u32 right; /* of the payload */
	} c[] = {
		{VFUSER_DEVICE_INFO, sizeof(pci)},
		{VFUSER_IRQ_INFO, sizeof(struct vfuser_irq_info)},
		{VFUSER_RESET, 0},
		{VFUSER_SET_IRQS, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct attack a = {.command = c[i].command, .index = -1, .payload = zeros};

		a.payload_size = c[i].right + 1;
		refuses(&a, EIO, "another size");
		if (!c[i].right)
			continue;
		a.payload_size = c[i].right - 1;
		refuses(&a, EIO, "another size");
		a.payload_size = 0;
		refuses(&a, EIO, "another size");
	}
}

/* An error that the server may report for any request. */
static void test_errors(void **state)
{
	static const struct {
		enum vfuser_command command;
		const char *word;
	} c[] = {{VFUSER_VERSION, "version"},
		 {VFUSER_DEVICE_INFO, "the device"},
		 {VFUSER_REGION_INFO, "region 0"},
		 {VFUSER_RESET, "reset"},
		 {VFUSER_SET_IRQS, "interrupts"}};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct attack a = {.command = c[i].command,
				   .index = -1,
				   .flags = VFUSER_ERROR,
				   .error = ENODEV};

		refuses(&a, ENODEV, c[i].word);
		a.error = 0; /* an error without a number, and numbers that are none */
		refuses(&a, EREMOTEIO, c[i].word);
		a.error = ~0u;
		refuses(&a, EREMOTEIO, c[i].word);
		a.error = 512;
		refuses(&a, EREMOTEIO, c[i].word);
	}
	/* a server without a kind of interrupts may refuse to describe it */
	opens(&(struct attack){
		.command = VFUSER_IRQ_INFO, .index = 2, .flags = VFUSER_ERROR, .error = EINVAL});
}

static void version(u16 major, u16 minor, const char *json, int err, const char *word)
{
	u8 payload[5000];
	struct attack a = {.command = VFUSER_VERSION, .index = -1, .payload = payload};

	memcpy(payload, &major, 2);
	memcpy(payload + 2, &minor, 2);
	memcpy(payload + 4, json, strlen(json) + 1);
	a.payload_size = 4 + (u32)strlen(json) + 1;
	if (err)
		refuses(&a, err, word);
	else
		opens(&a);
}

static void test_versions(void **state)
{
	static const char *const nonsense[] = {
		"{",
		"{}}",
		"nonsense",
		"{\"capabilities\":}",
		"{\"capabilities\":{\"max_msg_fds\":\"many\"}}",
		"{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
		"{\"capabilities\":{\"pgsizes\":-4096}}",
		"{\"capabilities\":{\"max_dma_maps\":99999999999999999999999}}",
	};

	version(1, 0, "{}", EPROTONOSUPPORT, "1.0");
	version(0, 2, "{}", EPROTONOSUPPORT, "0.2");
	version(0, 0, "{}", 0, "");
	version(0, 1, "{\"capabilities\":{\"pgsizes\":8192}}", ENOTSUP, "4 KiB");
	version(0, 1, "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}",
		EPROTO, "second socket");
	version(0, 1, "{\"capabilities\":{\"new\":[1,{\"a\":null}]}}", 0, "");
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++)
		version(0, 1, nonsense[i], EPROTO, "vfio-user");
	refuses(&(struct attack){.command = VFUSER_VERSION, .payload = "\0\0\0", .payload_size = 3},
		EPROTO, "size");
	refuses(&(struct attack){.command = VFUSER_VERSION,
				 .payload = "\0\0\1\0{}",
				 .payload_size = 6},
		EPROTO, "NUL");
	refuses(&(struct attack){.command = VFUSER_VERSION, .close = true, .size = 17}, EPROTO,
		"closed");
}

static void test_devices(void **state)
{
	struct vfuser_device_info info = pci;
	struct attack a = {
		.command = VFUSER_DEVICE_INFO, .payload = &info, .payload_size = sizeof(info)};

	info.flags = VFUSER_DEVICE_RESET;
	refuses(&a, ENODEV, "PCI");
	info = pci;
	info.regions = 7;
	refuses(&a, ENODEV, "7 regions");
	info.regions = info.irqs = ~0u;
	opens(&a);
}

struct region_reply {
	struct vfuser_region_info info;
	u8 caps[256];
};

static struct region_reply region_reply(u64 size, u32 flags)
{
	return (struct region_reply){
		.info = {.argsz = sizeof(struct region_reply),
			 .flags = VFUSER_REGION_READABLE | VFUSER_REGION_WRITABLE | flags,
			 .size = size}};
}

static struct attack region_attack(const struct region_reply *r, int *fd)
{
	return (struct attack){.command = VFUSER_REGION_INFO,
			       .payload = r,
			       .payload_size = sizeof(*r),
			       .fds = fd,
			       .n_fds = fd ? 1 : 0};
}

static void test_regions(void **state)
{
	struct region_reply r = region_reply(4096, 0);
	struct attack a = region_attack(&r, NULL);

	opens(&a);
	r.info.index = 1;
	refuses(&a, EPROTO, "region 1");
	r.info.index = 0;
	r.info.size = ~0ull;
	refuses(&a, EPROTO, "region");
	r.info.size = 1ull << 62;
	opens(&a);
	r = region_reply(32, 0);
	r.info.index = 7;
	a.index = 7;
	refuses(&a, ENODEV, "configuration space");
	r.info.size = 4096;
	r.info.flags = 0;
	refuses(&a, ENODEV, "configuration space");
	a.index = 0;
	a.payload_size = sizeof(r.info) - 1;
	refuses(&a, EIO, "another size");
}

static void put(struct region_reply *r, u32 at, const void *bytes, size_t n)
{
	assert_true(at + n <= sizeof(*r));
	memcpy((u8 *)r + at, bytes, n);
}

/* Chains of capabilities that loop or leave the message; areas that leave the region or wrap. */
static void test_capabilities(void **state)
{
	const u32 first = sizeof(struct vfuser_region_info), end = sizeof(struct region_reply);
	const u32 starts[] = {1, 8, first - 1, end - 7, end, end + 8, 0x80000000, ~0u};
	const u32 nexts[] = {first, first + 8, 1, end - 4, end, ~0u};
	const u32 counts[] = {15, 0x10000000, 0x10000001, ~0u};
	const struct vfuser_sparse_area areas[] = {
		{0, 0},	       {4096, RIG_BAR0}, {~0ull - 4095, 8192}, {0, ~0ull},
		{RIG_BAR0, 1}, {8192, 8193},	 {4096, ~0ull - 4095}};
	struct region_reply r = region_reply(RIG_BAR0, VFUSER_REGION_MMAP | VFUSER_REGION_CAPS);
	struct attack a = region_attack(&r, &rig.bar0_fd);
	struct vfuser_cap_head head = {.id = 77, .next = first + 8};
	struct vfuser_cap_sparse sparse = {.head = {.id = VFUSER_CAP_SPARSE}, .count = 1};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		r.info.cap_offset = starts[i];
		refuses(&a, EPROTO, "capabilities of region 0");
	}
	r.info.cap_offset = first;
	put(&r, first, &head, sizeof(head));
	for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
		head.next = nexts[i];
		put(&r, first + 8, &head, sizeof(head));
		refuses(&a, EPROTO, "capabilities of region 0");
	}
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		sparse.count = counts[i];
		put(&r, first + 8, &sparse, sizeof(sparse));
		refuses(&a, EPROTO, "capabilities of region 0");
	}
	sparse.count = 1;
	put(&r, first + 8, &sparse, sizeof(sparse));
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		put(&r, first + 8 + sizeof(sparse), &areas[i], sizeof(areas[i]));
		refuses(&a, EPROTO, "not inside");
	}
	/* an area that cannot be mapped is accessed by message */
	put(&r, first + 8 + sizeof(sparse), &(struct vfuser_sparse_area){1, 4096}, 16);
	opens(&a);
	sparse.count = 0;
	put(&r, first + 8, &sparse, sizeof(sparse));
	opens(&a);
}

static void refuses_fd(struct attack *a, int fd, const char *word)
{
	assert_true(fd >= 0);
	rig.fds_before++;
	a->fds = &fd;
	refuses(a, EPROTO, word);
	rig.fds_before--;
	close(fd);
}

/* A file that is too short, or none; descriptors of other things; too many, or none. */
static void test_descriptors(void **state)
{
	struct region_reply r = region_reply(RIG_BAR0, VFUSER_REGION_MMAP);
	struct attack a = region_attack(&r, &rig.bar0_fd);
	int two[2] = {rig.bar0_fd, rig.bar0_fd}, many[32], pipes[2];

	opens(&a);
	r.info.offset = 4096;
	opens(&a);
	r.info.offset = 8192;
	refuses(&a, EPROTO, "file of region 0");
	r.info.offset = ~0ull - 4095;
	refuses(&a, EPROTO, "file of region 0");
	r.info.offset = 1; /* cannot be mapped */
	opens(&a);
	r.info.offset = 0;
	refuses_fd(&a, memfd_create("empty", MFD_CLOEXEC), "file of region 0");
	refuses_fd(&a, open("/tmp", O_RDONLY | O_CLOEXEC), "cannot be mapped");
	refuses_fd(&a, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "cannot be mapped");
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	rig.fds_before++;
	refuses_fd(&a, pipes[0], "cannot be mapped");
	rig.fds_before--;
	close(pipes[1]);
	a.n_fds = 0; /* then by message */
	opens(&a);
	a.fds = two;
	a.n_fds = 2;
	refuses(&a, EIO, "descriptors");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = rig.bar0_fd;
	a.fds = many;
	a.n_fds = 32;
	refuses(&a, EIO, "descriptors");
	a.n_fds = 1;
	r.info.flags &= ~VFUSER_REGION_MMAP;
	refuses(&a, EPROTO, "cannot be mapped");
	/* where no descriptor is expected */
	refuses(&(struct attack){.command = VFUSER_DEVICE_INFO,
				 .payload = &pci,
				 .payload_size = sizeof(pci),
				 .fds = &rig.bar0_fd,
				 .n_fds = 1},
		EIO, "descriptors");
}

/* A file that can only be read is no obstacle. */
static void test_read_only_file(void **state)
{
	struct region_reply r = region_reply(RIG_BAR0, VFUSER_REGION_MMAP);
	char path[64];
	struct attack a;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", rig.bar0_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	a = region_attack(&r, &fd);
	opens(&a);
	close(fd);
}

static void test_interrupts(void **state)
{
	struct vfuser_irq_info info = {sizeof(info), VFUSER_IRQ_EVENTFD, 0, 1};
	struct attack a = {
		.command = VFUSER_IRQ_INFO, .payload = &info, .payload_size = sizeof(info)};

	info.index = 1;
	refuses(&a, EPROTO, "index");
	info.index = 0;
	info.count = 2;
	refuses(&a, EPROTO, "2 interrupts");
	info = (struct vfuser_irq_info){sizeof(info), 0, 2, ~0u};
	a.index = 2;
	opens(&a); /* without eventfds there are none */
	info.flags = VFUSER_IRQ_EVENTFD;
	refuses(&a, EINVAL, "interrupts"); /* more than the rig has; at most 256 are requested */
}

/* A reply that comes twice is one that no request is waiting for. */
static void test_replies_twice(void **state)
{
	struct attack a = {.command = VFUSER_DEVICE_INFO,
			   .payload = &pci,
			   .payload_size = sizeof(pci),
			   .twice = true};

	refuses(&a, EIO, "a reply"); /* to another request, or to none */
}

static u64 killed_at;

static bool kill_at(struct rig_conn *c, const struct vfuser_message *m)
{
	if (!killed_at || --killed_at)
		return false;
	rig_kill(c);
	return true;
}

/* The server ends at each request of open and close. */
static void test_end_at_every_request(void **state)
{
	static const char *const keys[] = {"", ",policy=identity", ",policy=lazy,untrusted=0"};

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		bool ended = false;

		for (u64 n = 1; !ended; n++) {
			assert_in_range(n, 1, 200);
			rig_lock();
			killed_at = n;
			rig.hook = kill_at;
			rig_unlock();
			dev = dmamap_open(rig_spec(keys[k]));
			if (!dev)
				assert_true(errno == EIO || errno == EPROTO);
			dmamap_close(dev);
			rig_wait_closed();
			rig_lock();
			ended = killed_at != 0;
			rig_unlock();
			assert_int_equal(rig_fds(), rig.fds_before);
		}
	}
}

#define test(f) cmocka_unit_test_setup_teardown(f, rig_begin_counted, rig_end_counted)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_headers),	 test(test_sizes),	   test(test_errors),
		test(test_versions),	 test(test_devices),	   test(test_regions),
		test(test_capabilities), test(test_descriptors),   test(test_read_only_file),
		test(test_interrupts),	 test(test_replies_twice), test(test_end_at_every_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
