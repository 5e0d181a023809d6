;; Maps bytes by a table and counts line feeds, 64 bytes at a time. `map-bytes.ts` holds this module as hex and runs it;
;; a test assembles this file to the same bytes.
;;
;; The memory, in bytes:
;;       0 …  65535  the bytes to map, which are changed in place
;;   65536 …  65599  room for the last four vectors, where the length is no multiple of 64
;;   65600 …   $end  the rows of the table, 32 bytes each
;;
;; A row changes the bytes that share an upper half, 0x60 to 0x6f for example:
;;   its first vector   the upper half, 16 times: 0x60 0x60 … 0x60
;;   its second vector  for each lower half from 0 to 15, the bits to change: 0x20 for a letter that becomes upper case
;; Upper halves of which no byte changes have no row.
(module
  (memory (export "memory") 2)

  ;; Maps the first $length bytes of the memory, and returns how many line feeds they had.
  (func (export "map") (param $length i32) (param $end i32) (result i32)
    (local $at i32) (local $row i32) ;; locals begin as 0
    (local $input_0 v128) (local $input_1 v128) (local $input_2 v128) (local $input_3 v128)
    (local $output_0 v128) (local $output_1 v128) (local $output_2 v128) (local $output_3 v128)
    (local $upper v128) (local $changes v128) (local $line_feeds v128) (local $totals v128)

    ;; The last vectors may reach beyond $length. They must not count line feeds that an earlier call has left there.
    (v128.store (local.get $length) (v128.const i64x2 0 0))
    (v128.store offset=16 (local.get $length) (v128.const i64x2 0 0))
    (v128.store offset=32 (local.get $length) (v128.const i64x2 0 0))
    (v128.store offset=48 (local.get $length) (v128.const i64x2 0 0))
    (local.set $line_feeds (v128.const i8x16 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10))

    (block $done
      (loop $next_vectors
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        (local.set $input_0 (local.tee $output_0 (v128.load (local.get $at))))
        (local.set $input_1 (local.tee $output_1 (v128.load offset=16 (local.get $at))))
        (local.set $input_2 (local.tee $output_2 (v128.load offset=32 (local.get $at))))
        (local.set $input_3 (local.tee $output_3 (v128.load offset=48 (local.get $at))))

        ;; `eq` gives -1 for each line feed. The sum of four, from 0 to -4 in each byte, is added up in pairs of lanes.
        (local.set $totals
          (i32x4.add
            (local.get $totals)
            (i32x4.extadd_pairwise_i16x8_s
              (i16x8.extadd_pairwise_i8x16_s
                (i8x16.add
                  (i8x16.add (i8x16.eq (local.get $input_0) (local.get $line_feeds)) (i8x16.eq (local.get $input_1) (local.get $line_feeds)))
                  (i8x16.add (i8x16.eq (local.get $input_2) (local.get $line_feeds)) (i8x16.eq (local.get $input_3) (local.get $line_feeds))))))))

        (local.set $row (i32.const 65600))
        (block $rows_done
          (loop $next_row
            (br_if $rows_done (i32.eq (local.get $row) (local.get $end)))
            (local.set $upper (v128.load (local.get $row)))
            (local.set $changes (v128.load offset=16 (local.get $row)))

            ;; A byte of the input xor the row's upper half is the lower half, 0 to 15, where it has that upper half, and 16
            ;; or more elsewhere. `swizzle` takes it as index into the changes, and gives 0 beyond 15: so bytes with another
            ;; upper half are not changed.
            (local.set $output_0
              (v128.xor
                (local.get $output_0)
                (i8x16.swizzle (local.get $changes) (v128.xor (local.get $input_0) (local.get $upper)))))
            (local.set $output_1
              (v128.xor
                (local.get $output_1)
                (i8x16.swizzle (local.get $changes) (v128.xor (local.get $input_1) (local.get $upper)))))
            (local.set $output_2
              (v128.xor
                (local.get $output_2)
                (i8x16.swizzle (local.get $changes) (v128.xor (local.get $input_2) (local.get $upper)))))
            (local.set $output_3
              (v128.xor
                (local.get $output_3)
                (i8x16.swizzle (local.get $changes) (v128.xor (local.get $input_3) (local.get $upper)))))

            (local.set $row (i32.add (local.get $row) (i32.const 32)))
            (br $next_row)))

        (v128.store (local.get $at) (local.get $output_0))
        (v128.store offset=16 (local.get $at) (local.get $output_1))
        (v128.store offset=32 (local.get $at) (local.get $output_2))
        (v128.store offset=48 (local.get $at) (local.get $output_3))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $next_vectors)))

    (i32.sub
      (i32.const 0)
      (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $totals)) (i32x4.extract_lane 1 (local.get $totals)))
        (i32.add (i32x4.extract_lane 2 (local.get $totals)) (i32x4.extract_lane 3 (local.get $totals)))))))
