/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small functions that none of the tested drivers uses: arithmetic, byte order, bits, lists,
 * strings, time, and one or two calls of each subsystem.
 */
#include "cases.h"
#include <linux/bitops.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/fs.h>
#include <linux/if_vlan.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

CASE(arithmetic, "")
{
	int a = 3, b = 5;
	u64 n = 100;
	size_t d;

	swap(a, b);
	CHECK(a == 5 && b == 3 && abs(-4) == 4 && min3(3, 1, 2) == 1 && max3(3, 1, 2) == 3);
	CHECK(round_up(13, 8) == 16 && round_down(13, 8) == 8 && roundup(13, 5) == 15 &&
	      rounddown(13, 5) == 10);
	CHECK(ALIGN_DOWN(13, 4) == 12 && IS_ALIGNED(12, 4) && !IS_ALIGNED(13, 4));
	CHECK(DIV_ROUND_CLOSEST(7, 2) == 4 && DIV_ROUND_UP_ULL(7, 2) == 4 &&
	      DIV_ROUND_DOWN_ULL(7, 2) == 3);
	CHECK(div_u64(n, 7) == 14 && div_s64(-100, 7) == -14 && clamp_val(a, 1, 4) == 4);
	CHECK(check_sub_overflow((size_t)1, (size_t)2, &d) &&
	      !check_sub_overflow((size_t)2, (size_t)1, &d) && d == 1);
	CHECK(upper_16_bits(0x12345678) == 0x1234 && lower_16_bits(0x12345678) == 0x5678);
	CHECK(U8_MAX == 255 && U16_MAX == 65535 && S8_MAX == 127 && S16_MAX == 32767 &&
	      S32_MAX == INT_MAX && S64_MAX == (s64)(~0ull >> 1));
	CHECK(in_task() && !in_hardirq());
}

CASE(byte_order, "")
{
	__be16 b16 = cpu_to_be16(0x1234);
	__be32 b32 = cpu_to_be32(0x12345678);
	__le32 l32 = cpu_to_le32(0x12345678);
	u8 bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	u32 v = 0x12345678;

	CHECK(*(u8 *)&b16 == 0x12 && be16_to_cpup(&b16) == 0x1234 && be32_to_cpup(&b32) == v &&
	      *(u8 *)&l32 == 0x78);
	be16_add_cpu(&b16, 1);
	be32_add_cpu(&b32, 1);
	CHECK(b16 == cpu_to_be16(0x1235) && b32 == cpu_to_be32(0x12345679) && ntohl(htonl(v)) == v);
	cpu_to_be32s(&v);
	CHECK(v == swab32(0x12345678) && swab64(1) == 1ull << 56);
	CHECK(get_unaligned_be32(bytes + 1) == 0x02030405 &&
	      get_unaligned_le16(bytes + 1) == 0x0302);
	put_unaligned(0xaabbccddu, (u32 *)(bytes + 3));
	CHECK(bytes[3] == 0xdd && bytes[6] == 0xaa &&
	      get_unaligned((u32 *)(bytes + 3)) == 0xaabbccdd);
}

CASE(single_bits, "")
{
	DECLARE_BITMAP(map, 70) = {0};

	CHECK(!__test_and_set_bit(69, map) && __test_and_set_bit(69, map) &&
	      __test_and_clear_bit(69, map) && bitmap_empty(map, 70));
	bitmap_fill(map, 70);
	CHECK(bitmap_weight(map, 70) == 70 && find_first_zero_bit(map, 70) == 70);
	CHECK(BIT_ULL(40) == 1ull << 40 && GENMASK_ULL(35, 32) == 0xf00000000ull &&
	      BIT_WORD(65) == 1 && BITS_PER_TYPE(u16) == 16);
	CHECK(hweight8(0xf1) == 5 && hweight16(0xf00f) == 8 && __fls(0x90) == 7 && ffz(7) == 3 &&
	      sign_extend32(0x8, 3) == -8);
}

struct hitem {
	int v;
	struct hlist_node n;
};

CASE(hash_and_moved_lists, "")
{
	struct hitem h[3] = {{1}, {2}, {3}}, *i;
	struct hlist_node *next;
	struct list_head nodes[3], *p;
	LIST_HEAD(one);
	LIST_HEAD(two);
	HLIST_HEAD(head);
	int sum = 0;

	for (int k = 0; k < 3; k++) {
		hlist_add_head(&h[k].n, &head);
		list_add_tail(&nodes[k], &one);
	}
	hlist_for_each_entry(i, &head, n) sum = sum * 10 + i->v;
	CHECK(sum == 321 && !hlist_empty(&head));
	hlist_for_each_entry_safe(i, next, &head, n) hlist_del(&i->n);
	CHECK(hlist_empty(&head));
	list_move(&nodes[1], &two);
	list_move_tail(&nodes[0], &two);
	CHECK(list_is_singular(&one) && two.next == &nodes[1] && list_is_last(&nodes[0], &two));
	list_splice_tail_init(&two, &one);
	sum = 0;
	list_for_each (p, &one)
		sum = sum * 10 + (int)(p - nodes);
	CHECK(sum == 210 && list_empty(&two));
}

CASE(strings, "")
{
	char buf[8], *s = kasprintf(GFP_KERNEL, "%s-%d", "n", 7), *end;
	u32 v;

	CHECK(s && !strcmp(s, "n-7"));
	kfree(s);
	CHECK(strscpy_pad(buf, "ab", sizeof(buf)) == 2 && !buf[7] && strcasecmp("aB", "Ab") == 0 &&
	      strncasecmp("abX", "ABy", 2) == 0);
	CHECK(!strcmp(strrchr("a/b/c", '/'), "/c") && !strcmp(strstr("abcd", "bc"), "bcd"));
	CHECK(!kstrtou32("7", 0, &v) && v == 7 && simple_strtoul("12ab", &end, 10) == 12 &&
	      *end == 'a');
	memzero_explicit(buf, sizeof(buf));
	CHECK(!memchr_inv(buf, 0, sizeof(buf)));
}

static int timer_hits;
static void names_timer(struct timer_list *t)
{
	timer_hits++;
}

static void names_work(struct work_struct *w)
{
}

CASE(times, "")
{
	static DEFINE_TIMER(defined, names_timer);
	struct timer_list t;
	struct delayed_work d;
	ktime_t start = ktime_get();

	CHECK(secs_to_jiffies(2) == 2 * HZ && usecs_to_jiffies(1000000) == HZ &&
	      jiffies_to_usecs(HZ) == 1000000);
	CHECK(time_is_before_jiffies(jiffies - 1) && time_is_after_jiffies(jiffies + 100) &&
	      time_before_eq(jiffies, jiffies + 1));
	CHECK(ktime_to_us(ktime_add_ns(0, 5000)) == 5 &&
	      ktime_ms_delta(ktime_add(start, 2000000), start) == 2);
	CHECK(ktime_get_ns() >= (u64)start && ktime_get_real_seconds() > 1500000000);
	ssleep(0);
	mod_timer(&defined, jiffies + 1000 * HZ);
	CHECK(timer_delete(&defined) == 1 && !timer_hits);
	timer_setup(&t, names_timer, 0);
	mod_timer(&t, jiffies + 1000 * HZ);
	CHECK(timer_shutdown_sync(&t) == 1 && !timer_pending(&t));
	INIT_DELAYED_WORK(&d, names_work);
	schedule_delayed_work(&d, 100 * HZ);
	CHECK(cancel_delayed_work(&d) && !cancel_delayed_work(&d));
}

static int rcu_calls;
static void rcu_called(struct callback_head *head)
{
	rcu_calls++;
}

CASE(atomic_words_and_rcu, "")
{
	static struct callback_head head;
	atomic_long_t l = {0};
	struct kref k;

	atomic_long_set(&l, 4);
	atomic_long_add(3, &l);
	atomic_long_inc(&l);
	CHECK(atomic_long_read(&l) == 8);
	kref_init(&k);
	CHECK(kref_get_unless_zero(&k) && kref_read(&k) == 2);
	call_rcu(&head, rcu_called);
	kmod_rcu_drain();
	CHECK(rcu_calls == 1);
}

CASE(buffers_and_addresses, "")
{
	u8 addr[6], zero[6] = {0};
	struct sk_buff_head q;
	struct sk_buff *skb = dev_alloc_skb(64), *second = alloc_skb(64, GFP_KERNEL);
	void *frag = napi_alloc_frag(128);

	eth_broadcast_addr(addr);
	CHECK(is_broadcast_ether_addr(addr));
	eth_zero_addr(addr);
	CHECK(ether_addr_equal(addr, zero));
	CHECK(!((u8 *)skb_put_zero(skb, 10))[9]);
	skb_put_u8(skb, 7);
	CHECK(skb->data[10] == 7);
	skb_queue_head_init(&q);
	skb_queue_tail(&q, skb);
	skb_queue_head(&q, second);
	CHECK(skb_dequeue(&q) == second && skb_dequeue(&q) == skb);
	CHECK(!skb_padto(second, 60) && second->len == 0);
	kfree_skb(second);
	kfree_skb(skb);
	skb_free_frag(frag);
	rtnl_lock();
	rtnl_unlock();
	CHECK(rtnl_trylock());
	rtnl_unlock();
}

PCI_CASE(functions_of_pci, "")
{
	void __iomem *regs;
	u16 command;

	CHECK(pci_device_is_present(test_pdev) && !pci_enable_device_io(test_pdev));
	CHECK(!pci_reenable_device(test_pdev));
	CHECK(pci_find_ext_capability(test_pdev, 0x7fff) == 0);
	pci_intx(test_pdev, 0);
	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(command & PCI_COMMAND_INTX_DISABLE);
	pci_intx(test_pdev, 1);
	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(!(command & PCI_COMMAND_INTX_DISABLE));
	CHECK(request_mem_region(pci_resource_start(test_pdev, 0), 4096, "names"));
	release_mem_region(pci_resource_start(test_pdev, 0), 4096);
	regs = pci_iomap(test_pdev, 0, 0);
	memset_io(regs + 0x5200, 0, 8); /* the multicast table */
	memcpy_toio(regs + 0x5200, "\1\2\3\4", 4);
	CHECK(readl_relaxed(regs + 0x5200) == 0x04030201 && readl(regs + 0x5204) == 0);
	writel_relaxed(0, regs + 0x5200);
	CHECK(readl(regs + 0x5200) == 0);
	pci_iounmap(test_pdev, regs);
	pci_disable_device(test_pdev);
}

CASE(files, "")
{
	struct dentry *dir = debugfs_create_dir("names", NULL);
	struct file f = {.f_pos = 5};

	CHECK(!IS_ERR_OR_NULL(dir));
	debugfs_remove(dir);
	CHECK(noop_llseek(&f, 3, SEEK_SET) == 5 && no_llseek(&f, 3, SEEK_SET) == -ESPIPE);
	CHECK(!nonseekable_open(NULL, &f) && MAJOR(MKDEV(3, 4)) == 3 && MINOR(MKDEV(3, 4)) == 4);
}

CASE(panic_ends_the_run, "panic")
{
	panic("the case wants it");
}
