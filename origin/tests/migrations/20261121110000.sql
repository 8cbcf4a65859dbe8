-- A month that was closed, as it was handed out.
INSERT INTO statement
    (account_id, number, month, ends_at, posted_upto, credited_upto, closing_nanos, hash, document)
VALUES (
    'acme', 1, '2025-11', '2025-11-30T16:00:00Z', 11, 5, 3000000000,
    '\xb9fc102e18b21734b5cc4a64563661ef60a1586368a844ac3471246d04350f52',
    'weir-statement,1
account,acme,Acme
number,1
month,2025-11,Asia/Shanghai,1761926400000,1764518400000
previous,0000000000000000000000000000000000000000000000000000000000000000
opening,0
credit,2025-11-22,grant,2000000000,,a new account
credit,2025-11-24,top_up,1000000000,pay_1,paid
closing,3000000000
hash,b9fc102e18b21734b5cc4a64563661ef60a1586368a844ac3471246d04350f52
'
);
