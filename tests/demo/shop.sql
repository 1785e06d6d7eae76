SET NAMES utf8mb4;
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE customers (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
  name VARCHAR(80) NOT NULL,
  preferences JSON,
  photo BLOB
) ENGINE=InnoDB;
CREATE TABLE products (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
  title VARCHAR(120) NOT NULL,
  price DECIMAL(12,4) NOT NULL,
  stock INT NOT NULL DEFAULT 0
) ENGINE=InnoDB;
CREATE TABLE orders (
  id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
  customer INT UNSIGNED NOT NULL,
  placed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  items INT NOT NULL DEFAULT 0,
  CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id)
) ENGINE=InnoDB;
CREATE TABLE order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT NOT NULL,
  product INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(12,4) NOT NULL,
  amount DECIMAL(16,4) AS (quantity * price) STORED,
  PRIMARY KEY (order_id, line),
  CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id),
  CONSTRAINT items_product FOREIGN KEY (product) REFERENCES products (id)
) ENGINE=InnoDB;
CREATE TABLE reviews (
  id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
  product INT UNSIGNED NOT NULL,
  stars TINYINT NOT NULL,
  words TEXT,
  CONSTRAINT reviews_product FOREIGN KEY (product) REFERENCES products (id)
) ENGINE=InnoDB;
CREATE TABLE audit (
  id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
  what VARCHAR(60) NOT NULL
) ENGINE=InnoDB;
CREATE VIEW best_sellers AS
  SELECT p.title, SUM(i.quantity) AS sold FROM order_items i JOIN products p ON p.id = i.product GROUP BY p.title;
CREATE TRIGGER count_items AFTER INSERT ON order_items FOR EACH ROW
  UPDATE orders SET items = items + NEW.quantity WHERE id = NEW.order_id;
CREATE FUNCTION gross(net DECIMAL(12,4)) RETURNS DECIMAL(12,4) DETERMINISTIC RETURN net * 1.19;
CREATE PROCEDURE restock(IN which INT UNSIGNED, IN amount INT) UPDATE products SET stock = stock + amount WHERE id = which;
CREATE EVENT forget_audit ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.audit WHERE id < 0;
INSERT INTO customers (name, preferences, photo) VALUES
  ('Zoë Müller', '{"lang": "de", "tags": ["a", "b"]}', X'00FF1027000A5C27'),
  ('王小明', '{"lang": "zh", "vip": true}', X'89504E470D0A1A0A'),
  ('Ana 🐘', '{"lang": "pt"}', NULL);
INSERT INTO products (title, price, stock) VALUES
  ('lamp', 19.9900, 100), ('chair ''oak''', 249.0000, 40), ('茶壶', 88.8888, 12), ('rope 10m', 7.5000, 900);
INSERT INTO orders (customer) VALUES (1), (2), (3);
INSERT INTO order_items (order_id, line, product, quantity, price) VALUES
  (1, 1, 1, 2, 19.99), (2, 1, 3, 1, 88.8888), (3, 1, 4, 10, 7.5);
INSERT INTO reviews (product, stars, words) VALUES (1, 5, 'bright'), (3, 4, '很好'), (2, 3, 'it''s a chair\nwith legs');
