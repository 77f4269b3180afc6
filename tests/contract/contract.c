/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contract CONFIG: runs the body for one line of the table, or without an argument for all lines.
 * Each test runs with the checker and without it, because some fast paths are used only without it.
 */
#include "contract.h"

#include "mem/mem.h"

#include <stdio.h>

/*
 * swiotlb is small so that it can be filled. 64-bit masks leave nothing to bounce in RAM. Where
 * opening pins all RAM, RAM is small, too, because each test opens a device.
 */
static const struct config configs[] = {
#if defined(CONTRACT_ON_NVME)
	{"nvme-qemu-strict", "qemu:nvme,swiotlb=2M", 64},
	{"vfio-strict", "vfio:", 64},
	{"vfio-lazy", "vfio:,policy=lazy", 64},
	{"vfio-pool", "vfio:,policy=identity,ram=32M,swiotlb=2M", 64},
	{"iommufd-strict", "iommufd:", 64},
	{"iommufd-lazy", "iommufd:,policy=lazy", 64},
	{"iommufd-pool", "iommufd:,policy=identity,ram=32M,swiotlb=2M", 64},
#elif defined(CONTRACT_ON_QEMU)
	{"qemu-strict", "qemu:virtio-serial-pci,swiotlb=2M", 64},
	{"qemu-lazy", "qemu:virtio-serial-pci,policy=lazy,swiotlb=2M", 64},
	{"qemu-pool", "qemu:virtio-serial-pci,policy=identity,swiotlb=2M", 64},
	{"qemu-untrusted", "qemu:virtio-serial-pci,untrusted=1,swiotlb=2M", 64},
	{"qemu-caching-39", "qemu:virtio-serial-pci,vtd-caching-mode=1,vtd-width=39,swiotlb=2M",
	 39},
	{"qemu-direct", "qemu:virtio-serial-pci,iommu=off,swiotlb=2M", 64},
#elif defined(CONTRACT_ON_VFUSER)
	{"vfu-strict", "vfio-user:,swiotlb=2M", 64},
	{"vfu-lazy", "vfio-user:,policy=lazy,swiotlb=2M", 64},
	{"vfu-pool", "vfio-user:,policy=identity,swiotlb=2M", 64},
	{"vfu-persistent", "vfio-user:,policy=persistent,swiotlb=2M", 64},
	{"vfu-untrusted", "vfio-user:,untrusted=1,swiotlb=2M", 64},
	{"vfu-message", "vfio-user:,dma=message,swiotlb=2M", 64},
	{"vfu-message-32bit", "vfio-user:,dma=message,swiotlb=2M", 32},
	{"vfu-message-pool", "vfio-user:,dma=message,policy=identity,swiotlb=2M", 64},
#else
	{"strict", "sim,swiotlb=2M", 64},
	{"strict-32bit", "sim,swiotlb=2M", 32},
	{"forcedac", "sim,swiotlb=2M,forcedac=1", 64},
	{"lazy", "sim,policy=lazy,swiotlb=2M", 64},
	{"pool", "sim,policy=identity,swiotlb=2M", 64},
	{"pool-32bit", "sim,policy=identity,swiotlb=2M", 32},
	{"persistent", "sim,policy=persistent,swiotlb=2M", 64},
	{"untrusted", "sim,untrusted=1,swiotlb=2M", 64},
	{"noncoherent", "sim,coherent=0,swiotlb=2M", 64},
	{"noncoherent-lazy", "sim,coherent=0,policy=lazy,swiotlb=2M", 64},
	{"noncoherent-pool", "sim,coherent=0,policy=identity,swiotlb=2M", 64},
	{"noncoherent-untrusted", "sim,coherent=0,untrusted=1,swiotlb=2M", 64},
	{"direct", "sim,iommu=0,swiotlb=2M", 64},
	{"direct-32bit", "sim,iommu=0,swiotlb=2M", 32},
	{"direct-noncoherent", "sim,iommu=0,coherent=0,swiotlb=2M", 64},
	{"direct-noncoherent-32bit", "sim,iommu=0,coherent=0,swiotlb=2M", 32},
	{"bus-offset", "sim,bus-offset=0x100000000,swiotlb=2M", 64},
	{"direct-bus-offset", "sim,iommu=0,bus-offset=0x100000000,swiotlb=2M", 64},
	{"bus-offset-odd", "sim,bus-offset=0x30000,swiotlb=2M", 64},
	{"direct-bus-offset-odd", "sim,iommu=0,bus-offset=0x130000,swiotlb=2M", 64},
	{"direct-noncoherent-bus-offset-odd",
	 "sim,iommu=0,coherent=0,bus-offset=0x70000,swiotlb=2M", 33},
	{"pool-bus-offset-odd", "sim,policy=identity,bus-offset=0x30000,swiotlb=2M", 64},
	{"addr-bits", "sim,addr-bits=40,swiotlb=2M", 40},
	{"group", "sim,group=together,swiotlb=2M", 64},
	{"small", "sim,ram=64M,swiotlb=2M", 64},
	{"small-direct", "sim,ram=64M,iommu=0,swiotlb=2M", 64},
#endif
};

const struct config *config;
struct device *dev;
const char *const kind_names[KINDS] = {"kmalloc", "pages", "low pages", "heap"};

static bool checked;
static u64 pages_before, random_state;
static int report_kind;	     /* of the last report */
static unsigned int reports; /* reports since the last expected one; atomic */

static bool has_key(const char *key)
{
	return strstr(config->spec, key) != NULL;
}

bool has_iommu(void)
{
	return !has_key("iommu=0") && !has_key("iommu=off");
}

bool is_coherent(void)
{
	return !has_key("coherent=0");
}

bool is_untrusted(void)
{
	return has_key("untrusted=1");
}

bool is_lazy(void)
{
	return has_key("policy=lazy");
}

bool ram_stays_mapped(void)
{
	return has_key("policy=identity") || has_key("policy=persistent");
}

bool is_checked(void)
{
	return checked;
}

u64 bus_offset(void)
{
	const char *key = strstr(config->spec, "bus-offset=");

	return key ? strtoull(key + strlen("bus-offset="), NULL, 0) : 0;
}

/* Another process serves the device. */
static bool is_served(void)
{
	return has_key("vfio-user:");
}

bool has_gap(void)
{
	return !has_key("ram=64M") && (is_served() || maps_registers()); /* pinned RAM is small */
}

bool protects_ram(void)
{
	return has_iommu() && !ram_stays_mapped();
}

bool pins_memory(void)
{
	return has_key("vfio:") || has_key("iommufd:");
}

bool on_qemu(void)
{
	return has_key("qemu:");
}

bool accesses_take_long(void)
{
	return on_qemu() || is_served();
}

bool has_fault_records(void)
{
	if (is_served()) /* a server that has the memory's file reports nothing */
		return has_key("dma=message") || is_untrusted();
	return !has_key("vfio:") && !has_key("iommufd:");
}

bool refuses_reads(void)
{
	return is_served() || has_fault_records();
}

bool maps_registers(void)
{
	return !has_key("vfio:") && !has_key("iommufd:") && !is_served();
}

bool protects_other_memory(void)
{
	if (on_qemu() && (is_lazy() || ram_stays_mapped()))
		return false;
	return has_iommu() && is_coherent();
}

bool keeps_other_memory(void)
{
	return has_key("policy=persistent");
}

u64 mask_of(unsigned int bits)
{
	return DMA_BIT_MASK(bits);
}

struct device *open_another(const char *more_keys)
{
	struct device *another;
	char spec[256];

	snprintf(spec, sizeof(spec), "%s%s%s", config->spec, checked ? ",check=1" : "", more_keys);
	another = dmamap_open(spec);
	if (!another)
		fail_msg("%s: %s", spec, dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(another, mask_of(config->mask_bits)), 0);
	return another;
}

struct dmamap_stats stats(void)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	return s;
}

u64 live(void)
{
	struct dmamap_stats s = stats();

	return s.maps - s.unmaps;
}

struct buffer buffer_get(enum kind kind, size_t size)
{
	struct buffer b = {.size = size, .kind = kind};
	void *p = NULL;

	switch (kind) {
	case KMALLOC:
		p = kmalloc(size, GFP_KERNEL);
		break;
	case PAGES:
		p = (void *)__get_free_pages(GFP_KERNEL, (unsigned int)get_order(size));
		break;
	case LOW_PAGES:
		p = (void *)__get_free_pages(GFP_DMA32, (unsigned int)get_order(size));
		break;
	case HEAP:
	case KINDS:
		if (posix_memalign(&p, 64, (size + 63) & ~63ul))
			p = NULL;
		break;
	}
	assert_non_null(p);
	b.cpu = p;
	memset(p, 0xee, size);
	return b;
}

void buffer_put(struct buffer *b)
{
	switch (b->kind) {
	case KMALLOC:
		kfree(b->cpu);
		break;
	case PAGES:
	case LOW_PAGES:
		free_pages((unsigned long)b->cpu, (unsigned int)get_order(b->size));
		break;
	case HEAP:
	case KINDS:
		free(b->cpu);
		break;
	}
	b->cpu = NULL;
}

bool is_ram(const struct buffer *b)
{
	return b->kind != HEAP;
}

static u8 pattern(u32 seed, size_t i)
{
	u32 x = (seed + 1) * 2654435761u ^ (u32)i * 2246822519u;

	/* never 0 and never 0xee: those values mean "nothing was written" */
	x = (x ^ x >> 15) % 200 + 1;
	return (u8)x;
}

void fill(void *p, size_t n, u32 seed)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)p)[i] = pattern(seed, i);
}

bool holds_part(const void *p, size_t n, u32 seed, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (((const u8 *)p)[i] != pattern(seed, from + i))
			return false;
	return true;
}

bool holds(const void *p, size_t n, u32 seed)
{
	return holds_part(p, n, seed, 0);
}

bool all_are(const void *p, size_t n, u8 value)
{
	for (size_t i = 0; i < n; i++)
		if (((const u8 *)p)[i] != value)
			return false;
	return true;
}

u32 rnd(u32 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((random_state >> 33) % below);
}

void device_reads(dma_addr_t addr, void *buf, size_t n)
{
	if (dmamap_bus_read(dev, addr, buf, n))
		fail_msg("read of %zu bytes at %#llx: %s", n, (unsigned long long)addr,
			 dmamap_strerror());
}

void device_writes(dma_addr_t addr, const void *buf, size_t n)
{
	if (dmamap_bus_write(dev, addr, buf, n))
		fail_msg("write of %zu bytes at %#llx: %s", n, (unsigned long long)addr,
			 dmamap_strerror());
}

bool device_sees(dma_addr_t addr, size_t n, u32 seed)
{
	u8 *seen = malloc(n);
	bool same;

	assert_non_null(seen);
	device_reads(addr, seen, n);
	same = holds(seen, n, seed);
	free(seen);
	return same;
}

/* The checker reports more than the refusal of the access. */
static void refused_is_reported(void)
{
	int kind = __atomic_load_n(&report_kind, __ATOMIC_RELAXED);

	if (kind == DMAMAP_CHECK_DEVICE_AFTER_UNMAP || kind == DMAMAP_CHECK_DEVICE_PAST_END ||
	    kind == DMAMAP_CHECK_DEVICE_DIRECTION)
		reported((enum dmamap_check_kind)kind);
	else
		reported(DMAMAP_CHECK_DEVICE_FAULT);
}

void device_is_refused(dma_addr_t addr, size_t n, bool write, int reason)
{
	u8 *buf = malloc(n);
	struct dmamap_fault f;
	int err;

	assert_non_null(buf);
	memset(buf, 0x5a, n);
	err = write ? dmamap_bus_write(dev, addr, buf, n) : dmamap_bus_read(dev, addr, buf, n);
	if (err != -EFAULT)
		fail_msg("%s of %zu bytes at %#llx: %d, not refused", write ? "write" : "read", n,
			 (unsigned long long)addr, err);
	assert_true(all_are(buf, n, 0x5a));
	free(buf);
	if (has_fault_records())
		refused_is_reported();
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.addr, addr);
	assert_int_equal(f.len, n);
	assert_int_equal(f.write, write);
	if (has_fault_records())
		assert_int_equal(f.reason, reason);
}

/*
 * Kinds of misuse that tests of the device's accesses commit by design; they are not checked each
 * time.
 */
static bool is_on_purpose(int kind)
{
	return kind == DMAMAP_CHECK_SYNC_MISSING || kind == DMAMAP_CHECK_SEGMENT_SIZE ||
	       kind == DMAMAP_CHECK_SEGMENT_BOUNDARY;
}

static void on_report(const struct dmamap_report *r, void *arg)
{
	if (is_on_purpose(r->kind))
		return;
	if (getenv("CONTRACT_SHOW"))
		fprintf(stderr, "# %s: %s\n", r->name, r->text);
	__atomic_store_n(&report_kind, r->kind, __ATOMIC_RELAXED);
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
	if (!r->name || !r->text || !*r->text || strcmp(r->name, dmamap_check_name(r->kind)) != 0)
		__atomic_fetch_add(&reports, 1000, __ATOMIC_RELAXED);
}

void reported(enum dmamap_check_kind kind)
{
	unsigned int n = __atomic_exchange_n(&reports, 0, __ATOMIC_RELAXED);

	if (!checked) {
		assert_int_equal(n, 0);
		return;
	}
	assert_int_equal(n, 1);
	assert_string_equal(dmamap_check_name(report_kind), dmamap_check_name((int)kind));
}

void reports_forget(void)
{
	__atomic_store_n(&reports, 0, __ATOMIC_RELAXED);
}

void error_contains(const char *word)
{
	if (!strstr(dmamap_strerror(), word))
		fail_msg("the error message has no \"%s\": \"%s\"", word, dmamap_strerror());
	/* another message, so that an old one is never mistaken for a new one */
	dmamap_bus_fault_next(NULL, NULL);
}

void map_failed(dma_addr_t addr, const char *word)
{
	assert_true(addr == DMA_MAPPING_ERROR);
	assert_int_equal(dma_mapping_error(dev, addr), -ENOMEM);
	assert_int_not_equal(errno, 0);
	error_contains(word);
	assert_int_equal(live(), 0);
}

int contract_setup(void **state)
{
	reports = 0;
	random_state = 20260101;
	pages_before = mem_pages_used();
	dmamap_check_on_report(on_report, NULL);
	dev = open_another("");
	return 0;
}

int contract_teardown(void **state)
{
	struct dmamap_stats s = {.size = sizeof(s)};
	struct dmamap_fault f;
	u64 pages = mem_pages_used();
	int fault, err = 0;

	dmamap_stats(dev, &s);
	fault = dmamap_bus_fault_next(dev, &f);
	dmamap_close(dev);
	dmamap_check_on_report(NULL, NULL);
	if (s.maps != s.unmaps)
		err = printf("# left mapped: %lld\n", (long long)(s.maps - s.unmaps));
	if (s.coherent_bytes)
		err = printf("# coherent memory left: %llu\n",
			     (unsigned long long)s.coherent_bytes);
	if (pages_before != pages)
		err = printf("# pages left: %lld\n", (long long)(pages - pages_before));
	if (reports)
		err = printf("# a report too many: %s\n", dmamap_check_name(report_kind));
	if (fault)
		err = printf("# a fault too many: %#llx\n", (unsigned long long)f.addr);
	return err;
}

static int run_body(const struct config *c, int only)
{
	static const struct {
		const char *name;
		const struct CMUnitTest *tests;
		const size_t *n;
	} parts[] = {
		{"masks", mask_tests, &n_mask_tests},
		{"limits", limit_tests, &n_limit_tests},
		{"advertised", advertised_tests, &n_advertised_tests},
		{"coherent", coherent_tests, &n_coherent_tests},
		{"pools", pool_tests, &n_pool_tests},
		{"streaming", streaming_tests, &n_streaming_tests},
		{"misuse", misuse_tests, &n_misuse_tests},
		{"scatterlists", sg_tests, &n_sg_tests},
		{"syncs", sync_tests, &n_sync_tests},
		{"bouncing", bounce_tests, &n_bounce_tests},
		{"isolation", isolation_tests, &n_isolation_tests},
#if !defined(CONTRACT_ON_QEMU) && !defined(CONTRACT_ON_NVME) && !defined(CONTRACT_ON_VFUSER)
		{"bus", bus_tests, &n_bus_tests},
		{"groups", group_tests, &n_group_tests},
		{"memory that goes", gone_tests, &n_gone_tests},
#endif
		{"threads", thread_tests, &n_thread_tests},
		{"two steps", twostep_tests, &n_twostep_tests},
		{"function", function_tests, &n_function_tests},
	};
	struct CMUnitTest *all = calloc(400, sizeof(*all));
	char title[128];
	size_t n = 0;
	int failed = 0;

	config = c;
	if (getenv("CONTRACT_TEST"))
		cmocka_set_test_filter(getenv("CONTRACT_TEST"));
	for (size_t i = 0; all && i < COUNT(parts); i++)
		for (size_t k = 0; k < *parts[i].n && n < 400; k++)
			all[n++] = parts[i].tests[k];
	for (int with = 0; with < 2; with++) {
		if (only >= 0 && with != only)
			continue;
		checked = with;
		snprintf(title, sizeof(title), "%s%s", c->name, with ? ", checked" : "");
		failed += _cmocka_run_group_tests(title, all, n, NULL, NULL);
	}
	free(all);
	return failed;
}

/*
 * contract [NAME [0|1]]: one configuration or all; with the checker off, or on, or both.
 * CONTRACT_TEST in the environment is a pattern (*, ?) of the tests to run.
 */
int main(int argc, char **argv)
{
	int only = argc > 2 ? atoi(argv[2]) : -1;
	bool known = argc < 2;
	int failed = 0;

#if defined(CONTRACT_ON_QEMU)
	player_need_qemu();
#elif defined(CONTRACT_ON_NVME)
	player_need(argc < 2 || strstr(argv[1], "qemu") ? "qemu:" : "vfio:");
#elif defined(CONTRACT_ON_VFUSER)
	player_start();
#endif
	for (size_t i = 0; i < COUNT(configs); i++)
		if (argc < 2 || !strcmp(argv[1], configs[i].name)) {
			known = true;
			failed += run_body(&configs[i], only);
		}
#if defined(CONTRACT_ON_VFUSER)
	player_end();
#endif
	if (!known)
		fprintf(stderr, "contract: no configuration %s\n", argv[1]);
	return failed || !known;
}
