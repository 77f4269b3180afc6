/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory, reference counts, strings, numbers and managed resources. */
#include "cases.h"
#include <linux/etherdevice.h>
#include <linux/firmware.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static volatile u8 sink;

CASE_ASAN(write_past_end, "heap-buffer-overflow")
{
	u8 *p = kmalloc(100, GFP_KERNEL);

	p[100] = 1;
	kfree(p);
}

CASE_ASAN(write_past_power_of_two, "heap-buffer-overflow")
{
	u8 *p = kmalloc(2048, GFP_KERNEL);

	p[2048] = 1;
	kfree(p);
}

CASE_ASAN(read_after_free, "use-after-free")
{
	u8 *p = kmalloc(100, GFP_KERNEL);

	kfree(p);
	sink = p[10];
}

CASE(free_twice, "double-free")
{
	void *p = kmalloc(100, GFP_KERNEL);

	kfree(p);
	kfree(p);
}

CASE(free_inside, "bad-free")
{
	u8 *p = kmalloc(100, GFP_KERNEL);

	kfree(p + 8);
	kfree(p);
}

CASE(memory_left, "leak-memory")
{
	sink = kmalloc(100, GFP_KERNEL) != NULL;
}

CASE(vmalloc_left, "leak-memory")
{
	sink = vmalloc(100) != NULL;
}

CASE(pages_left, "leak-pages")
{
	sink = alloc_pages(GFP_KERNEL, 1) != NULL;
}

CASE(pages_freed, "")
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);

	get_page(page);
	put_page(page);
	__free_pages(page, 1);
	free_page(get_zeroed_page(GFP_KERNEL));
}

CASE(page_freed_twice, "double-free")
{
	struct page *page = alloc_page(GFP_KERNEL);

	__free_page(page);
	__free_page(page);
}

CASE(kmalloc_family, "")
{
	u8 *p = kzalloc(64, GFP_KERNEL), *q;

	CHECK(!memchr_inv(p, 0, 64) && ((unsigned long)p & 63) == 0);
	memset(p, 5, 64);
	p = krealloc(p, 200, GFP_KERNEL);
	CHECK(p && p[63] == 5);
	q = kmemdup(p, 64, GFP_KERNEL);
	CHECK(q && !memcmp(p, q, 64));
	kfree(q);
	kfree(p);
	kfree(NULL);
	kfree(kmalloc(0, GFP_KERNEL));
	CHECK(!kmalloc_array(~0ul / 8, 16, GFP_KERNEL));
	p = kvzalloc(100000, GFP_KERNEL);
	CHECK(p && !memchr_inv(p, 0, 100000));
	kvfree(p);
	p = vzalloc(5000);
	CHECK(p && is_vmalloc_addr(p));
	kvfree(p);
}

struct flexible {
	u32 n;
	u64 item[];
};

CASE(sizes_saturate, "")
{
	unsigned long many = ~0ul / 4;
	struct flexible *f = NULL;

	CHECK(struct_size(f, item, 3) == 32 && flex_array_size(f, item, 3) == 24 &&
	      array_size(5, 7) == 35);
	CHECK(array_size(many, 8) == ~0ul && struct_size(f, item, many) == ~0ul);
	CHECK(size_add(~0ul, 1) == ~0ul && array3_size(many, 2, 4) == ~0ul);
	CHECK(!kmalloc(array_size(many, 8), GFP_KERNEL));
	CHECK(!krealloc_array(NULL, many, 8, GFP_KERNEL) && !kmemdup_array(f, many, 8, GFP_KERNEL));
}

CASE(copies_and_arrays, "")
{
	static const u16 three[] = {1, 2, 3};
	char *s = kstrndup("driver", 3, GFP_KERNEL);
	u16 *a = kmemdup_array(three, 3, sizeof(*three), GFP_KERNEL);
	struct page *page;

	CHECK(s && !strcmp(s, "dri"));
	kfree(s);
	s = kmemdup_nul("abc", 2, GFP_KERNEL);
	CHECK(s && !strcmp(s, "ab"));
	kfree(s);
	CHECK(!kstrndup(NULL, 3, GFP_KERNEL));
	CHECK(a && a[2] == 3);
	a = krealloc_array(a, 100, sizeof(*a), GFP_KERNEL);
	CHECK(a && a[2] == 3);
	a = kvrealloc(a, 10000, GFP_KERNEL);
	CHECK(a && a[2] == 3);
	kvfree(a);
	page = dev_alloc_pages(1);
	CHECK(page && page_size(page) == 2 * PAGE_SIZE);
	page_ref_add(page, 3);
	CHECK(page_ref_count(page) == 4);
	page_ref_sub(page, 2);
	put_page(page);
	__free_pages(page, 1);
}

CASE(table_used, "")
{
	struct sg_table t;
	struct page *page = alloc_pages(GFP_KERNEL, 1), *pages[] = {page, page + 1};

	CHECK(!sg_alloc_table(&t, 300, GFP_KERNEL) && t.nents == 300);
	sg_free_table(&t);
	sg_free_table(&t);
	CHECK(!sg_alloc_table_from_pages(&t, pages, 2, 0, 8192, GFP_KERNEL));
	CHECK(t.nents == 1);
	sg_free_table(&t);
	CHECK(sg_alloc_table(&t, 0, GFP_KERNEL) == -EINVAL);
	__free_pages(page, 1);
}

CASE(table_left, "leak-memory")
{
	struct sg_table t;

	CHECK(!sg_alloc_table(&t, 3, GFP_KERNEL));
}

CASE(cache_objects, "")
{
	struct kmem_cache *c = kmem_cache_create("mine", 96, 0, 0, NULL);
	void *p = kmem_cache_zalloc(c, GFP_KERNEL);

	CHECK(p && !memchr_inv(p, 0, 96));
	kmem_cache_free(c, p);
	kmem_cache_destroy(c);
}

CASE(cache_left, "leak-cache")
{
	sink = kmem_cache_create("left", 96, 0, 0, NULL) != NULL;
}

CASE(refcount_from_zero, "refcount")
{
	refcount_t r = REFCOUNT_INIT(1);

	CHECK(refcount_dec_and_test(&r));
	CHECK(!refcount_inc_not_zero(&r));
	refcount_inc(&r);
}

static int released;
static void object_release(struct kref *k)
{
	released++;
}

CASE(kref_releases, "")
{
	struct kref k;

	kref_init(&k);
	kref_get(&k);
	CHECK(!kref_put(&k, object_release) && released == 0);
	CHECK(kref_put(&k, object_release) && released == 1);
}

static int order[3], n_order;
static void note(void *data)
{
	order[n_order++] = (int)(long)data;
}

PCI_CASE(devres_in_reverse, "")
{
	CHECK(!devm_add_action(&test_pdev->dev, note, (void *)1));
	CHECK(!devm_add_action(&test_pdev->dev, note, (void *)2));
	CHECK(devm_kzalloc(&test_pdev->dev, 100, GFP_KERNEL));
	devm_kfree(&test_pdev->dev, devm_kmalloc(&test_pdev->dev, 10, GFP_KERNEL));
	kmod_devres_release(&test_pdev->dev);
	CHECK(n_order == 2 && order[0] == 2 && order[1] == 1);
}

PCI_CASE(sysfs_file_left, "leak-file")
{
	static DEVICE_ATTR(mine, 0444, NULL, NULL);

	device_create_file(&test_pdev->dev, &dev_attr_mine);
}

PCI_CASE(firmware_absent, "")
{
	const struct firmware *fw = (void *)1;

	CHECK(request_firmware(&fw, "none", &test_pdev->dev) == -ENOENT && !fw);
	release_firmware(NULL);
}

static bool prints(const char *want, const char *fmt, ...)
{
	char buf[128];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return n == (int)strlen(want) && !strcmp(buf, want);
}

CASE(printk_formats, "")
{
	const u8 mac[6] = {0, 1, 2, 0xab, 0xcd, 0xef};
	__be32 ip = htonl(0x7f000001);
	dma_addr_t addr = 0x1234;
	char small[4];

	CHECK(prints("00:01:02:ab:cd:ef", "%pM", mac) && prints("127.0.0.1", "%pI4", &ip));
	CHECK(prints("   -5|5   |0005|+5", "%5d|%-4d|%04d|%+d", -5, 5, 5, 5));
	CHECK(prints("0xff FF 377 18446744073709551615", "%#x %X %o %llu", 255, 255, 255, ~0ull));
	CHECK(prints("ab|  ab|ab  |a", "%s|%4s|%-4s|%.1s", "ab", "ab", "ab", "ab"));
	CHECK(prints("01 02:ab", "%*ph%*phC", 1, mac + 1, 0, mac) ||
	      prints("01 02", "%*ph", 2, mac + 1));
	CHECK(prints("0x0000000000001234", "%pad", &addr) && prints("-12", "%pe", ERR_PTR(-12)));
	CHECK(prints("255 -1 c%", "%hhu %hd %c%%", 0x1ff, 0xffff, 'c'));
	CHECK(snprintf(small, sizeof(small), "abcdef") == 6 && !strcmp(small, "abc"));
	CHECK(scnprintf(small, sizeof(small), "abcdef") == 3);
	CHECK(strscpy(small, "abcdef", sizeof(small)) == -E2BIG && !strcmp(small, "abc"));
}

CASE(numbers_parsed, "")
{
	unsigned long u;
	unsigned int v;
	u8 mac[6];
	int i;

	CHECK(!kstrtoul("0x1f\n", 0, &u) && u == 31);
	CHECK(kstrtoul("12x", 10, &u) == -EINVAL && kstrtoul("", 10, &u) == -EINVAL);
	CHECK(kstrtoul("99999999999999999999", 10, &u) == -ERANGE);
	CHECK(!kstrtoint("-7", 10, &i) && i == -7 && kstrtoint("3000000000", 10, &i) == -ERANGE);
	CHECK(!kstrtoint("-2147483648", 10, &i) && i == INT_MIN &&
	      kstrtoint("2147483648", 10, &i) == -ERANGE);
	CHECK(kstrtouint("4294967296", 10, &v) == -ERANGE);
	CHECK(mac_pton("00:1a:2B:03:04:05", mac) && mac[1] == 0x1a && mac[2] == 0x2b &&
	      !mac_pton("00:1a", mac));
	CHECK(int_sqrt(99) == 9 && int_sqrt(100) == 10);
}

CASE(bits_and_maps, "")
{
	DECLARE_BITMAP(map, 130) = {0};

	set_bit(3, map);
	__set_bit(129, map);
	CHECK(test_bit(3, map) && test_and_set_bit(129, map) && !test_and_clear_bit(4, map));
	CHECK(find_first_bit(map, 130) == 3 && find_next_bit(map, 130, 4) == 129 &&
	      find_next_bit(map, 129, 4) == 129);
	CHECK(find_first_zero_bit(map, 130) == 0 && bitmap_weight(map, 130) == 2 &&
	      !bitmap_empty(map, 130));
	CHECK(GENMASK(7, 4) == 0xf0 && FIELD_GET(GENMASK(7, 4), 0xab) == 0xa &&
	      FIELD_PREP(GENMASK(7, 4), 3) == 0x30);
	CHECK(fls(0) == 0 && fls(8) == 4 && ffs(8) == 4 && ilog2(1025) == 10 &&
	      roundup_pow_of_two(1000) == 1024);
	CHECK(bitrev8(1) == 0x80 && bitrev32(1) == 0x80000000 && hweight32(0xff) == 8);
}

CASE(lists_keep_order, "")
{
	struct item {
		int v;
		struct list_head l;
	} item[3] = {{1}, {2}, {3}}, *i, *n;
	LIST_HEAD(head);
	int sum = 0;

	list_add_tail(&item[0].l, &head);
	list_add_tail(&item[1].l, &head);
	list_add(&item[2].l, &head);
	list_for_each_entry(i, &head, l) sum = sum * 10 + i->v;
	CHECK(sum == 312);
	list_for_each_entry_safe(i, n, &head, l) list_del(&i->l);
	CHECK(list_empty(&head));
}

CASE(checksums, "")
{
	/* The check values of CRC-32 and the example of RFC 1071. */
	const u8 rfc[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	CHECK((crc32_le(~0u, "123456789", 9) ^ ~0u) == 0xcbf43926);
	CHECK((crc32_be(~0u, "123456789", 9) ^ ~0u) == 0xfc891918);
	CHECK(csum_fold(csum_partial(rfc, 8, 0)) == (__sum16)htons((u16)~0xddf2));
}

CASE(atomics, "")
{
	atomic_t v = ATOMIC_INIT(1);

	CHECK(atomic_inc_return(&v) == 2 && atomic_dec_and_test(&v) == 0 &&
	      atomic_dec_and_test(&v));
	CHECK(!atomic_inc_not_zero(&v) && atomic_add_unless(&v, 5, 1) &&
	      atomic_cmpxchg(&v, 5, 6) == 5);
	CHECK(atomic_xchg(&v, 9) == 6 && cmpxchg(&v.counter, 9, 3) == 9 && atomic_read(&v) == 3);
}

CASE(bug_ends_the_run, "bug")
{
	BUG_ON(n_order == 0);
}

CASE(warning_is_reported, "warning")
{
	CHECK(WARN_ON(n_order == 0));
}

CASE_FLAGS(null_pointer, "oops", CASE_NO_TSAN)
{
	int *volatile p = NULL;

	*p = 1;
}
